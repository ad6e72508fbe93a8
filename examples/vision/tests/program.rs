//! `vision` as a user runs it.

use std::fmt::Write;
use std::path::Path;

use apollo_examples_testing::{Program, check_steps, ok, summary};

/// 30 steps with two growths.
const VISION: Program = Program {
    path: env!("CARGO_BIN_EXE_vision"),
    tiny: "--layers 4 --width 8 --heads 2 --steps 30 --batch 4 --checkpoint-every 7",
};

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
fn a_recipe_is_a_whole_plan_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&VISION.tiny(dir.path(), &["--recipe", "g_stack"]));
    let found = summary(dir.path());
    let growths = serde_json::json!([{"step": 3, "from": 1, "to": 4}]);
    assert_eq!(found["growths"], growths);
    let [spent, full] =
        ["operations", "operations_from_scratch"].map(|name| found[name].as_f64().unwrap());
    assert!((0.92..0.95).contains(&(spent / full)), "3 of 30 steps with 1 of 4 layers: {found}");
    assert!(shown.contains(&format!("; {:.1} % of the FLOPs of", 100.0 * spent / full)), "{shown}");
    assert_eq!(found["config"]["plan"]["expander"], "stacking");
    assert_eq!(found["config"]["plan"]["moments"], "reset");
    assert!(!found["config"]["plan"]["lr"]["warmup_stable_decay"].is_null(), "{found}");

    let dir = tempfile::tempdir().unwrap();
    ok(&VISION.tiny(dir.path(), &["--recipe", "half_zeroed"]));
    let found = summary(dir.path());
    assert_eq!(found["growths"], serde_json::json!([{"step": 21, "from": 2, "to": 4}]));
    let zeroed = serde_json::json!({"zeroed": ["output"]});
    assert_eq!(found["config"]["plan"]["new_layers"], zeroed);

    VISION.refuses(&[
        (&["--recipe", "lottery"], "possible values: scratch, "),
        (&["--recipe", "apollo", "--plan", "plan.toml"], "--plan"),
    ]);
}

/// Each option changes its part of the recipe's plan, and no other.
#[test]
fn options_change_a_part_of_a_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let names = "attention.output,mlp.output";
    let changed: &[(&[&str], &str, serde_json::Value)] = &[
        (&["--sampler", "uniform"], "sampler", serde_json::json!("uniform")),
        (&["--expander", "interpolation"], "expander", serde_json::json!("interpolation")),
        (&["--moments", "copy"], "moments", serde_json::json!("copy")),
        (
            &["--zeroed", names],
            "new_layers",
            serde_json::json!({"zeroed": names.split(',').collect::<Vec<_>>()}),
        ),
        (&["--lr-shape", "constant"], "lr", serde_json::json!("constant")),
        (&["--from-scratch"], "schedule", serde_json::json!({"stages": [{"layers": 4}]})),
    ];
    let plan = |args: &[&str]| {
        let out = dir.path().join(args.concat());
        ok(&VISION.tiny(&out, &[&["--recipe", "g_stack", "--steps", "3"], args].concat()));
        summary(&out)["config"]["plan"].as_object().unwrap().clone()
    };
    let whole = plan(&[]);
    for (args, part, value) in changed {
        let mut expected = whole.clone();
        assert_ne!(expected.get(*part), Some(value), "{args:?}");
        expected.insert((*part).to_owned(), value.clone());
        assert_eq!(plan(args), expected, "{args:?}");
    }
    let decay = plan(&["--decay", "0.5", "--min-lr", "0.0001"])["lr"].clone();
    assert_eq!(decay["warmup_stable_decay"]["decay"], 0.5);
    assert_eq!(decay["warmup_stable_decay"]["warm_up"], 0.02);
    assert!(decay["warmup_stable_decay"]["end"].as_f64().unwrap() > 0.0);
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
fn help_tells_the_examples_own_options() {
    let shown = ok(&VISION.run(&["--help"]));
    for option in ["--data", "--layers", "--width", "--heads", "--patch", "--shift", "--resume"] {
        assert!(shown.contains(option), "{option}");
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

#[test]
fn the_options_are_those_of_the_list() {
    VISION.has_options(&[], include_str!("data/options.txt"));
}
