//! `seq2seq` as a user runs it.

use apollo_examples_testing::{Program, check_steps, ok, read, refused, summary};

/// 30 steps with two growths.
const SEQ2SEQ: Program = Program {
    path: env!("CARGO_BIN_EXE_seq2seq"),
    tiny: "--encoder-layers 2 --decoder-layers 4 --width 8 --heads 2 --length 4 --steps 30 --batch 4 \
           --checkpoint-every 7",
};

#[test]
fn seq2seq_writes_its_results_and_sorts() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&SEQ2SEQ.tiny(dir.path(), &[]));
    assert!(shown.contains("layers 1 → 1: [0], layers 1 → 2: [0 0]"), "{shown}");
    assert!(shown.contains("layers 1 → 2: [0 0], layers 2 → 4: [0 0 1 1]"), "{shown}");
    assert!(shown.contains("exact match") && shown.contains("of 1000 sorted"), "{shown}");

    // Encoder and decoder: 1 + 1, then 1 + 2, then 2 + 4.
    let items = check_steps(dir.path(), &[(0, 2.0), (3, 3.0), (8, 6.0)], 6.0);
    // Four problems of 2 to 4 letters, their answers and the ends of these.
    assert!(items.iter().all(|items| (20.0..=36.0).contains(items)), "{items:?}");
    let summary = summary(dir.path());
    assert!(
        (0.0..=1.0).contains(&summary["measures"]["exact_match"].as_f64().unwrap()),
        "{summary}"
    );
    let guess = summary["baseline"]["value"].as_f64().unwrap();
    assert!((0.1..0.5).contains(&guess), "{summary}");

    let out = dir.path().to_str().unwrap();
    let sorted = ok(&SEQ2SEQ.run(&["--out", out, "--sort", "burn"]));
    assert!(sorted.starts_with("burn → "), "{sorted}");
    SEQ2SEQ.refuses(&[
        (&["--out", out, "--sort", "Burn"], "`B` is not a letter"),
        (&["--out", out, "--sort", "apollo"], "6 letters"),
        (&["--out", out, "--sort", ""], "0 letters"),
    ]);
}

#[test]
fn seq2seq_resumes_exactly() {
    SEQ2SEQ.resumes_exactly(&[]);
    SEQ2SEQ.resumes_exactly(&["--dropout", "0.2", "--accumulate", "2", "--sampler", "uniform"]);
}

#[test]
fn a_schedule_lists_the_layers_of_both_stacks() {
    let dir = tempfile::tempdir().unwrap();
    let schedule = dir.path().join("schedule.toml");
    let text = "[[stages]]\nlayers = [2, 1]\nuntil = { step = 5 }\n[[stages]]\nlayers = [2, 4]\n";
    std::fs::write(&schedule, text).unwrap();
    let out = dir.path().join("run");
    let shown = ok(&SEQ2SEQ.tiny(&out, &["--schedule", schedule.to_str().unwrap()]));
    assert!(shown.contains("layers 2 → 2: [0 1], layers 1 → 4: [0 0 0 0]"), "{shown}");
    check_steps(&out, &[(0, 3.0), (5, 6.0)], 6.0);
}

#[test]
fn seq2seq_refuses_bad_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let one = file("one.toml", "[[stages]]\nlayers = [2]\n");
    let three = file("three.json", r#"{"stages": [{"layers": [2, 4, 1]}]}"#);
    let deep = file("deep.json", r#"{"stages": [{"layers": [4, 4]}]}"#);
    let sort = SEQ2SEQ.run(&["--sort", "burn"]);
    assert!(refused(&sort).contains("holds no run"));
    SEQ2SEQ.refuses(&[
        (&["--schedule", &one], "`stages[0].layers`"),
        (&["--schedule", &three], "`stages[0].layers`"),
        (&["--schedule", &deep], "`stages[0].layers`"),
        (&["--encoder-layers", "0"], "--encoder-layers"),
        (&["--decoder-layers", "many"], "--decoder-layers"),
        (&["--length", "1"], "--length"),
        (&["--width", "9"], "--heads 2 must divide --width 9"),
        (&["--dropout", "-1"], "-1"),
        (&["--frobnicate"], "--frobnicate"),
    ]);
}

#[test]
fn the_options_are_those_of_the_list() {
    SEQ2SEQ.has_options(&[], include_str!("data/options.txt"));
}

/// The main job, as the README starts it.
#[test]
#[ignore = "trains the default model for some minutes"]
fn the_default_seq2seq_run_sorts() {
    let dir = tempfile::tempdir().unwrap();
    println!("{}", ok(&SEQ2SEQ.run(&["--out", dir.path().to_str().unwrap()])));
    let summary = summary(dir.path());
    assert!(summary["measures"]["exact_match"].as_f64().unwrap() >= 0.99, "{summary}");
    assert_eq!(summary["growths"].as_array().unwrap().len(), 3);
    assert!(read(dir.path(), "steps.csv").lines().last().unwrap().contains(",3,10,10,"));
}
