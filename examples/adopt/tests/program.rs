//! `adopt` as a user runs it.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use apollo_examples_testing::{Program, model, ok, read, refused, text};
use serde_json::{Value, json};

/// 6 epochs of 8 steps.
const TRAIN: Program = Program { path: env!("CARGO_BIN_EXE_adopt"), tiny: "train --epochs 6" };

fn train(out: &Path, more: &[&str]) -> Output {
    TRAIN.tiny(out, more)
}

/// The sets in a run's folder, oldest first.
fn sets(out: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(out.join("checkpoints")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn at(dir: &tempfile::TempDir, name: &str) -> std::path::PathBuf {
    dir.path().join(name)
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Cuts a set's file in half.
fn damage(out: &Path, set: &str) {
    let path = out.join("checkpoints").join(set).join("model.bpk");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// A run of so many epochs, once its first set is there.
fn begun(out: &Path, epochs: &str) -> Child {
    let mut command = Command::new(TRAIN.path);
    command.current_dir(std::env::temp_dir()).args(["train", "--epochs", epochs, "--out"]).arg(out);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while sets(out).is_empty() {
        assert!(Instant::now() < until, "no set after a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn the_comparison_prints_its_two_lines() {
    let dir = temporary();
    let shown = ok(&Command::new(TRAIN.path).current_dir(dir.path()).output().unwrap());
    let lines: Vec<(&str, &str)> = shown.lines().map(|l| l.split_once(':').unwrap()).collect();
    assert_eq!(lines.iter().map(|l| l.0).collect::<Vec<_>>(), ["plain", "progressive depth"]);
    for (_, right) in lines {
        let right: f64 = right.trim().strip_suffix(" % right").unwrap().parse().unwrap();
        assert!(right > 95.0, "{shown}");
    }
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "it writes nothing");
}

/// `after.rs` is `before.rs` but for the marked lines, of which there are as many as the documents say.
#[test]
fn the_marked_lines_are_all_that_changed() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (before, after) = (read(here, "src/before.rs"), read(here, "src/after.rs"));
    let (new, same): (Vec<&str>, Vec<&str>) = after.lines().partition(|l| l.ends_with("// new"));
    let old: Vec<&str> = before.lines().filter(|line| !same.contains(line)).collect();
    assert_eq!(
        old.iter().map(|l| l.trim()).collect::<Vec<_>>(),
        ["blocks: Vec<Linear>,", "let model = result.model;"]
    );
    let kept: Vec<&str> = before.lines().filter(|line| !old.contains(line)).collect();
    let code = |lines: Vec<&str>| -> Vec<String> {
        lines.into_iter().filter(|l| !l.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(code(kept), code(same));
    assert_eq!(new.len(), 8);
    for file in ["src/main.rs", "README.md", "../../README.md"] {
        assert!(read(here, file).contains("eight"), "{file}");
    }
}

#[test]
fn a_run_stopped_after_any_epoch_ends_in_the_same_model() {
    let dir = temporary();
    let whole = at(&dir, "whole");
    let shown = ok(&train(&whole, &[]));
    let line = |n: usize| shown.lines().nth(n).unwrap_or_default();
    assert!(line(0).starts_with("epoch 1 of 6: train loss "), "{shown}");
    assert!(line(5).contains(", train unique layers 8.0000, "), "{shown}");
    assert!(line(6).starts_with("finished: ") && line(7).starts_with("written: "), "{shown}");
    assert_eq!(sets(&whole), ["000005-step-40", "000006-step-48"]);

    let steps = at(&dir, "steps");
    for stop in 1..6 {
        let stop = stop.to_string();
        let once = at(&dir, &stop);
        for out in [&once, &steps] {
            let shown = ok(&train(out, &["--resume", "--stop-after", &stop]));
            let line = format!("stopped after epoch {stop} of 6; --resume goes on");
            assert!(shown.ends_with(&format!("{line}\n")), "{shown}");
            assert!(!out.join("model.bpk").exists());
        }
        ok(&train(&once, &["--resume"]));
        assert!(model(&once) == model(&whole), "stopped after epoch {stop}");
    }
    ok(&train(&steps, &["--resume"]));
    assert!(model(&steps) == model(&whole), "stopped after every epoch");

    // A finished run stays as it is, and its model can be written again.
    std::fs::remove_file(steps.join("model.bpk")).unwrap();
    assert!(ok(&train(&steps, &["--resume"])).starts_with("finished: "));
    assert!(model(&steps) == model(&whole), "written again");
    assert_eq!(sets(&steps), sets(&whole));
}

#[test]
fn a_set_holds_the_place_in_the_data() {
    let dir = temporary();
    let out = at(&dir, "run");
    ok(&train(&out, &["--stop-after", "2"]));
    let set = out.join("checkpoints/000002-step-16");
    let manifest: Value = serde_json::from_str(&read(&set, "manifest.json")).unwrap();
    assert_eq!(manifest["epoch"], 2);
    assert_eq!(manifest["state"]["data"], json!({"seed": 7, "epoch": 2, "offset": 0}));
}

/// burn-train's own files show what every training step ran at.
#[test]
fn the_metrics_tell_depth_layers_and_rate() {
    let dir = temporary();
    let out = at(&dir, "run");
    ok(&train(&out, &[]));
    let metric = |epoch: u32, name: &str| -> Vec<f64> {
        let lines = read(&out.join(format!("train/epoch-{epoch}")), &format!("{name}.log"));
        let steps = lines.lines().filter(|l| !l.ends_with(",final"));
        steps.map(|l| l.split(',').next().unwrap().parse().unwrap()).collect()
    };
    for epoch in 1..=6 {
        let (depths, layers) = (metric(epoch, "Virtual_Depth"), metric(epoch, "Unique_Layers"));
        assert_eq!((depths.len(), layers.len()), (22, 22), "a value per batch");
        assert!(depths.iter().zip(&layers).all(|(depth, layers)| layers <= depth && *depth <= 8.0));
        assert!(metric(epoch, "Learning_Rate_Factor").iter().all(|factor| *factor == 1.0));
        assert!(metric(epoch, "Loss").iter().all(|loss| loss.is_finite()));
    }
    let layers = |epoch| metric(epoch, "Unique_Layers")[21];
    assert_eq!((metric(1, "Unique_Layers")[0], layers(6)), (1.0, 8.0));
    assert!(read(&out.join("valid/epoch-6"), "Accuracy.log").lines().count() > 0);
}

#[test]
fn resume_begins_in_an_empty_folder() {
    let dir = temporary();
    let (new, resumed) = (at(&dir, "new"), at(&dir, "resumed"));
    ok(&train(&new, &["--epochs", "2"]));
    std::fs::create_dir(&resumed).unwrap();
    ok(&train(&resumed, &["--epochs", "2", "--resume"]));
    assert!(model(&new) == model(&resumed));
}

#[test]
fn bad_options_are_one_line_and_exit_code_2() {
    let dir = temporary();
    let (file, used) = (at(&dir, "file"), at(&dir, "used"));
    std::fs::write(&file, "").unwrap();
    ok(&train(&used, &["--stop-after", "1"]));
    let (file, used) = (file.to_str().unwrap(), used.to_str().unwrap());
    for (args, word) in [
        (&["trian"][..], "trian"),
        (&["--resume"], "--resume"),
        (&["train", "--epochs", "0"], "--epochs"),
        (&["train", "--epochs", "some"], "some"),
        (&["train", "--stop-after", "0"], "--stop-after"),
        (&["train", "--stop-after"], "--stop-after"),
        (&["train", "--out", file], "expected a folder of checkpoints, found a file"),
        (&["train", "--epochs", "6", "--out", used], "holds a run; go on with it"),
        (&["train", "--epochs", "7", "--resume", "--out", used], "`steps` 48, this run has 56"),
    ] {
        let command = || Command::new(TRAIN.path);
        let line = refused(&command().current_dir(dir.path()).args(args).output().unwrap());
        assert!(line.starts_with("error: ") && line.contains(word), "{args:?}: {line}");
    }
    assert!(!at(&dir, "runs").exists(), "nothing was begun");
    for help in [&["--help"][..], &["train", "--help"], &["--version"]] {
        ok(&Command::new(TRAIN.path).args(help).output().unwrap());
    }
}

#[test]
fn a_damaged_set_costs_its_epoch_and_no_good_one_is_an_error() {
    let dir = temporary();
    let (whole, out) = (at(&dir, "whole"), at(&dir, "run"));
    ok(&train(&whole, &[]));
    ok(&train(&out, &["--stop-after", "3"]));
    damage(&out, "000003-step-24");
    let output = train(&out, &["--resume"]);
    ok(&output);
    let said = text(&output.stderr);
    assert!(said.starts_with("warning: ") && said.lines().count() == 1, "{said}");
    assert!(said.contains("000003-step-24 is damaged: model.bpk"), "{said}");
    assert!(model(&out) == model(&whole));

    sets(&out).iter().for_each(|set| damage(&out, set));
    let line = refused(&train(&out, &["--resume"]));
    assert!(line.contains("none of the") && line.contains("model.bpk"), "{line}");
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let dir = temporary();
    let out = at(&dir, "run");
    let mut child = begun(&out, "100000");
    let line = refused(&train(&out, &["--resume"]));
    child.kill().unwrap();
    child.wait().unwrap();
    let process = format!("already in use by process {}", child.id());
    assert!(line.contains(&process), "{line}");
    // A run that was killed goes on.
    ok(&train(&out, &["--resume", "--epochs", "100000", "--stop-after", "1"]));
}

/// A checkpoint that cannot be written ends the run with its cause.
#[test]
fn a_failed_run_is_one_line_and_exit_code_1() {
    let dir = temporary();
    let out = at(&dir, "run");
    let child = begun(&out, "100000");
    // In the way of one of the next sets.
    let done = sets(&out).len();
    for number in done + 50..done + 500 {
        let aside = format!("checkpoints/.writing-{number:06}-step-{}", 8 * number);
        std::fs::create_dir(out.join(aside)).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.starts_with("error: ") && said.contains("cannot be made: "),
        "with the cause: {said}"
    );
}

#[cfg(unix)]
#[test]
fn signals_stop_the_run_and_it_goes_on_exactly() {
    let dir = temporary();
    let whole = at(&dir, "whole");
    ok(&train(&whole, &["--epochs", "150"]));
    for (signal, name, code) in [("INT", "Ctrl-C", 130), ("TERM", "SIGTERM", 143)] {
        let out = at(&dir, name);
        let child = begun(&out, "150");
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with(&format!("stopped by {name} after epoch ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        ok(&train(&out, &["--epochs", "150", "--resume"]));
        assert!(model(&out) == model(&whole), "{name}");
    }
}

#[test]
fn the_options_are_those_of_the_list() {
    TRAIN.has_options(&["train"], include_str!("data/options.txt"));
}
