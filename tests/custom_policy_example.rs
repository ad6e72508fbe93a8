//! The `custom_policy` example as a user runs it. `cargo test` builds it first.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn custom_policy(args: &[&str], out: &Path) -> Output {
    let test = std::env::current_exe().unwrap();
    let path: PathBuf = test.parent().unwrap().parent().unwrap().join("examples/custom_policy");
    assert!(path.exists(), "run `cargo build --examples` first: {} is missing", path.display());
    Command::new(path).args(args).arg("--out").arg(out).output().unwrap()
}

fn read(dir: &Path, file: &str) -> String {
    let path = dir.join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_policy_grows_to_the_full_model_and_says_why() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |policy: &str, dir: &Path| {
        let args = ["--policy", policy, "--steps", "24", "--seed", "3"];
        let output = custom_policy(&args, dir);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = run("all", one.path());
    for reason in
        ["interpolation: loss", "stacking: loss", "two stages at once", "doubling 3 is due"]
    {
        assert!(shown.contains(reason), "{reason}: {shown}");
    }
    let summary: serde_json::Value =
        serde_json::from_str(&read(one.path(), "summary.json")).unwrap();
    let runs = summary["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for entry in runs {
        for run in [&entry["found"], &entry["fixed"]] {
            assert!(run["val_loss"].as_f64().unwrap().is_finite());
            assert!(!run["growth_steps"].as_array().unwrap().is_empty(), "{entry}");
        }
        let cost = |run: &str| entry[run]["passes"].as_f64().unwrap();
        assert!((cost("found") / cost("fixed") - 1.0).abs() < 0.25, "equal cost: {entry}");
    }
    assert_eq!(runs[2]["found"]["growth_steps"], serde_json::json!([1, 2, 4]));

    run("try-out", two.path());
    let steps = |dir: &Path| read(dir, "try-out.csv");
    assert_eq!(steps(one.path()), steps(two.path()), "equal runs are equal");
    for name in ["decorrelate", "try-out", "arithmetic", "decorrelate-fixed"] {
        let table = read(one.path(), &format!("{name}.csv"));
        let layers = table.lines().last().unwrap().split(',').nth(2);
        assert_eq!(layers, Some("8"), "{name} ends with all layers");
    }
    assert_eq!(read(one.path(), "decorrelate.csv").lines().count(), 1 + 24);
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("summary.json"), "{}").unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let short = dir.path().join("file");
    let cases: [(&[&str], &Path, &str); 6] = [
        (&["--policy", "guess"], &dir.path().join("new"), "guess"),
        (&["--steps", "3"], &dir.path().join("new"), "--steps"),
        (&["--lr", "NaN"], &dir.path().join("new"), "--lr"),
        (&["--data", short.to_str().unwrap()], &dir.path().join("new"), "--data"),
        (&[], dir.path(), "--overwrite"),
        (&[], &short, "--out"),
    ];
    for (args, out, word) in cases {
        let output = custom_policy(args, out);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.lines().count() == 1 && error.contains(word), "{args:?}: {error}");
    }
}
