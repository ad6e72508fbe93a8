//! `bert` as a user runs it.

use apollo_examples::hf;
use apollo_examples::models::bert::BertConfig;
use apollo_examples_testing::{Program, ok, read, summary, table};
use burn::tensor::Device;
use serde_json::{Value, json};

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

/// What is imported is exported: the kinds of segment, first weights and tokens of a configuration, and all others as they are.
#[test]
fn a_configuration_comes_out_as_it_came_in() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (types, std) in [(1, 0.02), (2, 0.05), (16, 0.0)] {
        let model = BertConfig {
            vocabulary: 257,
            positions: 16,
            token_types: types,
            width: 16,
            heads: 2,
            layers: 4,
            dropout: 0.1,
            std,
        };
        let [from, out, to] = ["from", "out", "to"].map(|name| at(&format!("{types}-{name}")));
        hf::export_bert(&model, &model.init(&Device::flex()), &from).unwrap();
        let mut config: Value = serde_json::from_str(&read(&from, "config.json")).unwrap();
        assert_eq!(config["type_vocab_size"], types);
        let others = json!({"pad_token_id": 3, "classifier_dropout": 0.2, "use_cache": false, "id2label": {"0": "x"}});
        config.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        std::fs::write(from.join("config.json"), config.to_string()).unwrap();
        ok(&BERT.tiny(&out, &["--init-from", from.to_str().unwrap(), "--steps", "2"]));
        ok(&BERT.export(&out, to.to_str().unwrap(), &[]));
        let found: Value = serde_json::from_str(&read(&to, "config.json")).unwrap();
        assert_eq!(found, config, "{types} kinds of segment");
        let (imported, _) = hf::import_bert(&to, &Device::flex()).unwrap();
        assert_eq!(imported, model);
    }
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
