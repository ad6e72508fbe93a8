//! `bert` as a user runs it.

use apollo_examples_testing::{Program, ok, summary, table};

/// 30 steps with three growths.
const BERT: Program = Program {
    path: env!("CARGO_BIN_EXE_bert"),
    tiny: "--layers 4 --width 16 --heads 2 --steps 30 --batch 2 --seq 16 --dropout 0.1 --checkpoint-every 7",
};

#[test]
fn a_run_writes_its_results_and_fills_masks() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&BERT.tiny(dir.path(), &[]));
    assert!(shown.contains("nats per masked byte") && shown.contains("filled: "), "{shown}");
    let (names, rows) = table(dir.path(), "steps.csv");
    assert_eq!(names, "step,stage,unique_layers,virtual_depth,lr,train_loss,items");
    assert!(rows.len() == 30 && rows.iter().all(|row| row[5].is_finite() && row[6] == 64.0));
    let summary = summary(dir.path());
    let growths = serde_json::json!([
        {"step": 6, "from": 1, "to": 2}, {"step": 12, "from": 2, "to": 3}, {"step": 18, "from": 3, "to": 4}
    ]);
    assert_eq!(summary["growths"], growths);
    assert!(summary["val_loss"].as_f64().unwrap() > 0.0);
}

#[test]
fn equal_runs_give_equal_files_and_resumed_ones_too() {
    BERT.resumes_exactly(&[]);
    BERT.resumes_exactly(&["--accumulate", "2", "--policy", "plateau"]);
}

#[test]
fn a_run_begins_where_an_export_ended() {
    BERT.begins_where_an_export_ended();
}

/// Windows of two bytes mostly have none of the 15 %; and one model has one score.
#[test]
fn validation_masks_do_not_depend_on_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (model, folder) = (at("model"), at("exported"));
    ok(&BERT.tiny(&model, &["--seq", "2", "--batch", "1"]));
    ok(&BERT.export(&model, folder.to_str().unwrap(), &[]));
    let loss = |batch: &str| {
        let still = ["--steps", "1", "--lr", "0.000000001", "--from-scratch", "--seq", "2"];
        let from = ["--init-from", folder.to_str().unwrap(), "--batch", batch];
        ok(&BERT.tiny(&at(batch), &[&still[..], &from].concat()));
        summary(&at(batch))["val_loss"].as_f64().unwrap()
    };
    let (one, seven) = (loss("1"), loss("7"));
    assert!((one - seven).abs() < 1e-5 * one, "{one} against {seven}");
}

#[test]
fn bad_input_is_one_line_and_exit_code_2_before_any_training() {
    BERT.refuses(&[
        (&["--data", "/no/such/file"], "/no/such/file"),
        (&["--heads", "3"], "--heads 3 must divide"),
        (&["--dropout", "1"], "--dropout"),
        (&["--frobnicate"], "--frobnicate"),
    ]);
}

#[test]
#[ignore = "trains the default model for some minutes"]
fn the_default_run_beats_every_bigram_model() {
    let dir = tempfile::tempdir().unwrap();
    println!("{}", ok(&BERT.run(&["--out", dir.path().to_str().unwrap()])));
    let summary = summary(dir.path());
    let (loss, baseline) = (&summary["val_loss"], &summary["baseline"]["value"]);
    assert!(loss.as_f64().unwrap() < 0.85 * baseline.as_f64().unwrap(), "{summary}");
}

#[test]
fn the_options_are_those_of_the_list() {
    BERT.has_options(&[], include_str!("data/options.txt"));
}
