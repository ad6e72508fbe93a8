//! `custom_policy` as a user runs it.

use std::fs;
use std::path::Path;

use apollo_examples::text::corpus::Preparation;
use apollo_examples::text::corpus::prepare::Choice;
use apollo_examples_testing::{Program, SHAKESPEARE, model, ok, read, same_run, summary, table};
use serde_json::{Value, json};

/// 24 steps, short validations.
const POLICIES: Program = Program {
    path: env!("CARGO_BIN_EXE_custom_policy"),
    tiny: "--steps 24 --seed 3 --width 16 --heads 2 --seq 8 --batch 2 --checkpoint-every 7",
};

fn growth_steps(run: &Value) -> Vec<u64> {
    run["growths"].as_array().unwrap().iter().map(|g| g["step"].as_u64().unwrap()).collect()
}

/// Layer passes by the table of steps.
fn passes(dir: &Path) -> f64 {
    table(dir, "steps.csv").1.iter().map(|row| row[3]).sum()
}

#[test]
fn every_policy_grows_to_the_full_model_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&POLICIES.tiny(dir.path(), &[]));
    for reason in ["interpolation: loss", "stacking: loss", "two stages at once: loss"] {
        assert!(shown.contains(reason), "{reason}: {shown}");
    }
    let summary = summary(dir.path());
    let runs = summary["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for entry in runs {
        let cost = |run: &str| entry[run]["layer_passes"].as_f64().unwrap();
        assert!((cost("found") / cost("fixed") - 1.0).abs() < 0.25, "equal cost: {entry}");
        let name = entry["policy"].as_str().unwrap();
        for (run, folder) in [("found", name.to_owned()), ("fixed", format!("{name}-fixed"))] {
            let (run, folder) = (&entry[run], dir.path().join(folder));
            assert!(run["val_loss"].as_f64().unwrap().is_finite());
            let sizes: Vec<u64> = run["growths"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|g| [g["from"].as_u64().unwrap(), g["to"].as_u64().unwrap()])
                .collect();
            assert_eq!((sizes[0], sizes[sizes.len() - 1]), (1, 8), "{name}");
            assert!(
                sizes[1..sizes.len() - 1].chunks(2).all(|pair| pair[0] == pair[1]),
                "{sizes:?}"
            );
            let (_, rows) = table(&folder, "steps.csv");
            assert_eq!(rows.len() as u64, run["steps"].as_u64().unwrap(), "{name}");
            assert_eq!(rows[rows.len() - 1][2], 8.0, "{name} ends with all layers");
            model(&folder);
        }
    }
    let passes = |name: &str| passes(&dir.path().join(name));
    assert_eq!(runs[0]["found"]["layer_passes"], passes("decorrelate"));
    assert!(
        runs[1]["found"]["layer_passes"].as_f64().unwrap() > passes("try-out"),
        "try-outs cost too"
    );
    assert_eq!(growth_steps(&runs[2]["found"]), [1, 2, 4]);
}

/// Stopped at every step; where candidates are tried out, after them.
#[test]
fn every_policy_resumes_exactly() {
    for name in ["decorrelate", "try-out", "arithmetic"] {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let run = |dir: &Path, more: &[&str]| {
            ok(&POLICIES.tiny(dir, &[&["--policy", name], more].concat()))
        };
        run(whole.path(), &[]);
        for stop in 1..24 {
            let stop = stop.to_string();
            let shown = run(parts.path(), &["--resume", "--stop-after", &stop]);
            assert!(shown.contains("stopped after step"), "{name}: {shown}");
        }
        run(parts.path(), &["--resume"]);
        assert!(run(parts.path(), &["--resume"]).contains("is finished"));
        for folder in [name.to_owned(), format!("{name}-fixed")] {
            same_run(&whole.path().join(&folder), &parts.path().join(&folder), &folder);
        }
        assert_eq!(read(whole.path(), "summary.json"), read(parts.path(), "summary.json"));
    }
}

/// An interrupted `--overwrite` leaves none of the runs that were to be replaced.
#[test]
fn a_replaced_comparison_resumes_among_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let policy = ["--policy", "arithmetic"];
    ok(&POLICIES.tiny(dir.path(), &policy));
    let other = ["--policy", "arithmetic", "--lr", "0.001"];
    ok(&POLICIES.tiny(dir.path(), &[&other[..], &["--overwrite", "--stop-after", "9"]].concat()));
    assert!(!dir.path().join("summary.json").exists());
    ok(&POLICIES.tiny(dir.path(), &[&other[..], &["--resume"]].concat()));
}

#[test]
fn a_policy_of_one_name_learns_sub_words() {
    let dir = tempfile::tempdir().unwrap();
    let (tokens, out) = (dir.path().join("tokens"), dir.path().join("run"));
    let (data, choice) = (Path::new(SHAKESPEARE), &Choice::Learn(300));
    Preparation { data, choice, special: &[], allow_unknown: false }
        .write_to(&tokens, false)
        .unwrap();
    let tokens = tokens.to_str().unwrap();
    let shown =
        ok(&POLICIES.tiny(&out, &["--policy", "arithmetic", "--data", tokens, "--layers", "12"]));
    assert!(shown.contains("nats per token of "), "{shown}");
    let runs = &summary(&out)["runs"];
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["policy"]), (1, &json!("arithmetic")));
    assert_eq!(growth_steps(&runs[0]["found"]), [1, 2, 4, 8]);
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("file"), "").unwrap();
    fs::create_dir_all(at("used/try-out")).unwrap();
    fs::write(at("used/try-out/config.json"), r#"{"plan": {}}"#).unwrap();
    let (file, used, run) = (at("file"), at("used"), at("used/try-out"));
    POLICIES.refuses(&[
        (&["--policy", "guess"], "guess"),
        (&["--policy", "fixed"], "fixed"),
        (&["--policy", "arithmetic", "--steps", "4"], "4"),
        (&["--layers", "1"], "--layers 1"),
        (&["--lr", "NaN"], "--lr"),
        (&["--heads", "3"], "--heads 3 must divide"),
        (&["--data", &file], "--data"),
        (&["--out", &run, "--overwrite"], "try-out: holds a run; name another folder"),
        (&["--workers", "2"], "--workers: is of no use here"),
        (&["--out", &used], "try-out: already holds a run; continue it with --resume"),
        (&["--out", &file], "--out"),
    ]);
    assert!(!Path::new(&used).join("decorrelate").exists(), "refused before the first run");
}

#[test]
fn the_options_are_those_of_the_list() {
    POLICIES.has_options(&[], include_str!("data/options.txt"));
}
