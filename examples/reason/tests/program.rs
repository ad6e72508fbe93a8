//! `reason` as a user runs it.

use apollo_examples_testing::{Program, check_steps, ok, read, summary};

/// 30 steps with two growths.
const REASON: Program = Program {
    path: env!("CARGO_BIN_EXE_reason"),
    tiny: "--recipe apollo --layers 4 --width 8 --heads 2 --length 5 --steps 30 --batch 4 --checkpoint-every 7",
};

#[test]
fn reason_writes_its_results_and_shows_how_far_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&REASON.tiny(dir.path(), &[]));
    assert!(shown.contains("layers 1 → 2") && shown.contains("layers 2 → 4"), "{shown}");
    assert!(shown.contains("% length solved") && shown.contains("(guessing: 1.7918)"), "{shown}");
    assert!(shown.contains(" of 5 letters solved") && shown.contains("\n100 %"), "{shown}");

    // Four words of five letters and their begins.
    let items = check_steps(dir.path(), &[(0, 1.0), (3, 2.0), (8, 4.0)], 4.0);
    assert!(items.iter().all(|items| *items == 24.0), "{items:?}");
    let found = summary(dir.path());
    let shares: Vec<f64> = serde_json::from_value(found["by_position"].clone()).unwrap();
    assert_eq!((shares.len(), found["config"]["problem"]["group"].as_str()), (5, Some("s3")));
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    let mean = shares.iter().sum::<f64>() / 5.0;
    let accuracy = found["val_accuracy"].as_f64().unwrap();
    assert!((mean - accuracy).abs() < 0.06, "of all held rows and of some: {mean} and {accuracy}");
    for measure in ["length_solved", "length_solved_longer"] {
        assert!((0.0..=1.0).contains(&found["measures"][measure].as_f64().unwrap()), "{found}");
    }

    let out = dir.path().to_str().unwrap();
    let solved = ok(&REASON.run(&["--out", out, "--solve", "1 4 2"]));
    assert!(solved.starts_with("1 4 2 → "), "{solved}");
    REASON.refuses(&[
        (&["--out", out, "--solve", "1 6"], "`6` is not an element from 0 to 5"),
        (&["--out", out, "--solve", "1 1 1 1 1 1 1 1 1 1 1"], "11 letters"),
        (&["--solve", "1 4 2"], "holds no run"),
    ]);
}

#[test]
fn every_problem_is_learned_and_answered() {
    for (problem, text, word) in
        [("mano", "+ 2 3", "of 5 operations solved"), ("hop", "1: abab", "of 5 jumps solved")]
    {
        let dir = tempfile::tempdir().unwrap();
        let shown = ok(&REASON.tiny(dir.path(), &["--problem", problem]));
        assert!(shown.contains(word), "{shown}");
        let found = summary(dir.path());
        assert_eq!(found["config"]["problem"], problem);
        assert_eq!(found["by_position"].as_array().unwrap().len(), 5);
        assert!(found["measures"]["length_solved_longer"].is_null(), "{found}");
        let out = dir.path().to_str().unwrap();
        assert!(ok(&REASON.run(&["--out", out, "--solve", text])).contains(" → "));
    }
    for group in ["s5", "a5", "z6"] {
        let dir = tempfile::tempdir().unwrap();
        ok(&REASON.tiny(dir.path(), &["--group", group, "--steps", "10"]));
        assert_eq!(summary(dir.path())["config"]["problem"]["group"], group);
    }
}

#[test]
fn reason_resumes_exactly() {
    REASON.resumes_exactly(&[]);
    REASON.resumes_exactly(&["--inject", "--accumulate", "2", "--sampler", "uniform"]);
    REASON.resumes_exactly(&["--problem", "hop", "--optimizer", "muon"]);
}

/// The embedding goes into the branches of a layer, so that zeros at their ends make it the identity.
#[test]
fn zeroed_layers_begin_as_the_identity_with_an_injected_embedding_too() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&REASON.tiny(dir.path(), &["--recipe", "half_zeroed", "--inject"]));
    assert!(shown.contains("layers 2 → 4") && !shown.contains("note: "), "{shown}");
}

#[test]
fn reason_refuses_bad_input() {
    REASON.refuses(&[
        (&["--group", "s4"], "--group"),
        (&["--problem", "sorting"], "--problem"),
        (&["--length", "3"], "--length 3: must be from 4 to 1024 letters"),
        (&["--problem", "mano", "--length", "65"], "from 1 to 64 operations"),
        (&["--problem", "hop", "--length", "0"], "from 1 to 64 jumps"),
        (&["--width", "9"], "--heads 2 must divide --width 9"),
        (&["--width", "6"], "each would have 3 of --width 6"),
        (&["--layers", "0"], "--layers"),
        (&["--steps", "2"], "`stages[1].until`"),
        (&["--frobnicate"], "--frobnicate"),
    ]);
}

#[test]
fn another_problem_is_another_run() {
    let dir = tempfile::tempdir().unwrap();
    ok(&REASON.tiny(dir.path(), &[]));
    for other in [["--group", "z6"], ["--problem", "mano"], ["--length", "6"]] {
        let output = REASON.tiny(dir.path(), &[&["--resume"], &other[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{other:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("other options"), "{other:?}: {said}");
    }
    assert!(!read(dir.path(), "config.json").contains("z6"));
}

#[test]
fn the_options_are_those_of_the_list() {
    REASON.has_options(&[], include_str!("data/options.txt"));
}
