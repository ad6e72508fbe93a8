//! The examples `vision` and `seq2seq` as a user runs them; `gpt` has a file of its own.

// The parts of the examples that have unit tests.
#[path = "../examples/common/mod.rs"]
mod common;
#[path = "../examples/vision/data.rs"]
#[allow(dead_code)]
mod data;
#[path = "../examples/vision/linear.rs"]
mod linear;
#[path = "../examples/vision/model.rs"]
#[allow(dead_code)]
mod model;
#[path = "../examples/vision/picture.rs"]
mod picture;
mod program;
#[path = "../examples/seq2seq/data.rs"]
#[allow(dead_code)]
mod sorting;

use std::fmt::Write;
use std::path::Path;

use program::{Program, ok, read, summary, table};

/// 30 steps with two growths.
const VISION: Program = Program {
    name: "vision",
    tiny: "--layers 4 --width 8 --heads 2 --steps 30 --batch 4 --checkpoint-every 7",
};

const SEQ2SEQ: Program = Program {
    name: "seq2seq",
    tiny: "--encoder-layers 2 --decoder-layers 4 --width 8 --heads 2 --length 4 --steps 30 --batch 4 \
           --checkpoint-every 7",
};

const STEPS: &str = "step,stage,unique_layers,virtual_depth,lr,train_loss,items";
const VALIDATION: &str = "step,stage,unique_layers,depth,val_loss,val_accuracy";
const FILES: [&str; 5] =
    ["config.json", "steps.csv", "validation.csv", "summary.json", "model.bpk"];

/// The rows of `steps.csv` against the first step and the unique layers of each stage; gives the items of each step.
fn check_steps(dir: &Path, stages: &[(usize, f64)], depth: f64) -> Vec<f64> {
    FILES.iter().for_each(|file| assert!(dir.join(file).exists(), "{file}"));
    assert!(dir.join("checkpoints").is_dir());
    let (names, rows) = table(dir, "validation.csv");
    assert_eq!(names, VALIDATION);
    assert_eq!(rows.last().unwrap()[..4], [30.0, stages.len() as f64 - 1.0, depth, depth]);
    assert!(rows.iter().all(|row| row[4] > 0.0 && (0.0..=1.0).contains(&row[5])));

    let (names, rows) = table(dir, "steps.csv");
    assert_eq!((names.as_str(), rows.len()), (STEPS, 30));
    for (step, row) in rows.iter().enumerate() {
        let stage = stages.iter().rposition(|(first, _)| step >= *first).unwrap();
        assert_eq!(row[..3], [step as f64, stage as f64, stages[stage].1], "step {step}");
        assert!(row[2] <= row[3] && row[3] <= depth && row[5].is_finite(), "{row:?}");
    }
    rows.iter().map(|row| row[6]).collect()
}

/// Rows of 8 × 8 images, digit after digit.
fn images(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, i| {
        for pixel in 0..64 {
            let _ = write!(text, "{},", (i * 7 + pixel * 3) % 17);
        }
        let _ = writeln!(text, "{}", i % 10);
        text
    })
}

#[test]
fn vision_writes_its_results_and_shows_digits() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&VISION.tiny(dir.path(), &[]));
    assert!(shown.contains("layers 1 → 2") && shown.contains("layers 2 → 4"), "{shown}");
    assert!(
        shown.contains("nats per image") && shown.contains("the best linear model: 9"),
        "{shown}"
    );
    assert!(shown.contains("of 599 images right") && shown.contains(", taken for "), "{shown}");
    assert!(shown.contains("@@"), "{shown}");

    let items = check_steps(dir.path(), &[(0, 1.0), (3, 2.0), (8, 4.0)], 4.0);
    assert!(items.iter().all(|items| *items == 4.0));
    let summary = summary(dir.path());
    assert_eq!(summary["config"]["patch"], 4);
    let growths =
        serde_json::json!([{"step": 3, "from": 1, "to": 2}, {"step": 8, "from": 2, "to": 4}]);
    assert_eq!(summary["growths"], growths);
    assert_eq!(summary["baseline"]["measure"], "accuracy");
}

#[test]
fn vision_resumes_exactly_and_knows_its_images() {
    VISION.resumes_exactly(&[]);
    VISION.resumes_exactly(&[
        "--patch",
        "2",
        "--dropout",
        "0.3",
        "--shift",
        "2",
        "--accumulate",
        "2",
    ]);

    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("images.csv"), dir.path().join("run"));
    std::fs::write(&file, images(31)).unwrap();
    let data = ["--data", file.to_str().unwrap()];
    assert!(ok(&VISION.tiny(&out, &data)).contains("of 10 images right"));
    let copy = dir.path().join("copy.csv");
    std::fs::copy(&file, &copy).unwrap();
    let resume = |data: &Path| VISION.tiny(&out, &["--resume", "--data", data.to_str().unwrap()]);
    assert!(ok(&resume(&copy)).contains("is finished"), "the same images in another place");
    std::fs::write(&copy, images(30)).unwrap();
    let other = resume(&copy);
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("other options"));
}

#[test]
fn vision_refuses_bad_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (empty, few) = (file("empty.csv", ""), file("few.csv", &images(2)));
    let short = file("short.csv", &(images(20) + "1,2,3\n"));
    let dark = file("dark.csv", &(images(1) + &images(20).replacen("3,", "17,", 1)));
    let ten = file("ten.csv", &images(20).replacen(",4\n", ",10\n", 1));
    let header = file("header.csv", &("pixels and a digit\n".to_owned() + &images(20)));
    let binary = dir.path().join("binary.csv");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    VISION.refuses(&[
        (&["--data", "/no/such/file"], "/no/such/file"),
        (&["--data", &empty], "0 images are too few"),
        (&["--data", &few], "2 images are too few"),
        (&["--data", &short], "line 21: 3 values"),
        (&["--data", &dark], "line 2: `17` is not a pixel"),
        (&["--data", &ten], "line 5: `10` is not a digit"),
        (&["--data", &header], "line 1: 1 values"),
        (&["--data", binary.to_str().unwrap()], "cannot be read"),
        (&["--patch", "3"], "--patch 3 must divide 8"),
        (&["--patch", "16"], "--patch"),
        (&["--shift", "9"], "--shift"),
        (&["--dropout", "1"], "--dropout"),
        (&["--width", "9"], "--heads 2 must divide --width 9"),
        (&["--layers", "0"], "--layers"),
        (&["--steps", "2"], "`stages[1].until`"),
        (&["--frobnicate"], "--frobnicate"),
    ]);
}

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
    assert!((0.0..=1.0).contains(&summary["exact_match"].as_f64().unwrap()), "{summary}");
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
    SEQ2SEQ.refuses(&[
        (&["--schedule", &one], "`stages[0].layers`"),
        (&["--schedule", &three], "`stages[0].layers`"),
        (&["--schedule", &deep], "`stages[0].layers`"),
        (&["--encoder-layers", "0"], "--encoder-layers"),
        (&["--decoder-layers", "many"], "--decoder-layers"),
        (&["--length", "1"], "--length"),
        (&["--width", "9"], "--heads 2 must divide --width 9"),
        (&["--dropout", "-1"], "-1"),
        (&["--sort", "burn"], "holds no run"),
        (&["--frobnicate"], "--frobnicate"),
    ]);
}

#[test]
fn help_tells_the_examples_own_options() {
    let vision = ok(&VISION.run(&["--help"]));
    for option in ["--data", "--layers", "--width", "--heads", "--patch", "--shift", "--resume"] {
        assert!(vision.contains(option), "{option}");
    }
    let seq2seq = ok(&SEQ2SEQ.run(&["--help"]));
    for option in ["--encoder-layers", "--decoder-layers", "--length", "--sort", "--schedule"] {
        assert!(seq2seq.contains(option), "{option}");
    }
}

/// The main job, as the README starts it.
#[test]
#[ignore = "trains the default model for some minutes"]
fn the_default_vision_run_beats_every_linear_model() {
    let dir = tempfile::tempdir().unwrap();
    println!("{}", ok(&VISION.run(&["--out", dir.path().to_str().unwrap()])));
    let summary = summary(dir.path());
    let linear = summary["baseline"]["value"].as_f64().unwrap();
    assert!(linear > 0.85, "the linear model is fitted: {summary}");
    assert!(summary["val_accuracy"].as_f64().unwrap() > linear + MARGIN, "{summary}");
    assert_eq!(summary["growths"].as_array().unwrap().len(), 3);
}

/// How much more of the images the default run has right; what was measured is in `docs/examples.md`.
const MARGIN: f64 = 0.02;

/// The main job, as the README starts it.
#[test]
#[ignore = "trains the default model for some minutes"]
fn the_default_seq2seq_run_sorts() {
    let dir = tempfile::tempdir().unwrap();
    println!("{}", ok(&SEQ2SEQ.run(&["--out", dir.path().to_str().unwrap()])));
    let summary = summary(dir.path());
    assert!(summary["exact_match"].as_f64().unwrap() >= 0.99, "{summary}");
    assert_eq!(summary["growths"].as_array().unwrap().len(), 3);
    assert!(read(dir.path(), "steps.csv").lines().last().unwrap().contains(",3,10,10,"));
}
