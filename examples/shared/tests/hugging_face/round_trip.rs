//! What `transformers` wrote is read and written again without a change.

use burn::tensor::Device;
use serde_json::Value;

use super::Kind;
use super::file::RawFile;
use apollo_examples::Failure;
use apollo_examples::models::bert::Bert;
use apollo_examples::models::gpt::Gpt;
use apollo_examples_testing::golden::{Cases, Reference, compare_logits, tokens};

fn import_computes_the_reference_logits<K: Kind>() {
    let device = Device::flex();
    let references: Cases = K::read("cases.json");
    let (_, model) = K::import(&K::folder(), &device).unwrap();
    let case = references.cases.iter().find(|case| case.depth == references.unique_layers);
    let logits = model.logits(tokens(&references.input_ids, &device));
    compare_logits(logits, case.unwrap(), "imported");
}

#[test]
fn imported_gpt2_computes_the_reference_logits() {
    import_computes_the_reference_logits::<Gpt>();
}

#[test]
fn imported_bert_computes_the_reference_logits() {
    import_computes_the_reference_logits::<Bert>();
}

/// Names, order, shapes, types, metadata and values: the file is the same byte for byte.
fn weights_are_written_as_they_were<K: Kind>() {
    let dir = tempfile::tempdir().unwrap();
    let (config, model) = K::import(&K::folder(), &Device::flex()).unwrap();
    K::export(&config, &model, dir.path()).unwrap();
    let written = dir.path().join("model.safetensors");
    let golden = K::folder().join("model.safetensors");
    assert_eq!(RawFile::read(&written), RawFile::read(&golden));
    assert_eq!(std::fs::read(written).unwrap(), std::fs::read(golden).unwrap());
}

#[test]
fn gpt2_weights_are_written_as_they_were() {
    weights_are_written_as_they_were::<Gpt>();
}

#[test]
fn bert_weights_are_written_as_they_were() {
    weights_are_written_as_they_were::<Bert>();
}

/// Every field that is written is one that `transformers` writes, with its value, but for tokens of a
/// tokenizer that the model does not have.
fn config_is_written_as_it_was<K: Kind>(tokens: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let (config, model) = K::import(&K::folder(), &Device::flex()).unwrap();
    K::export(&config, &model, dir.path()).unwrap();
    let read = |path: std::path::PathBuf| -> serde_json::Map<String, Value> {
        serde_json::from_str(&std::fs::read_to_string(path.join("config.json")).unwrap()).unwrap()
    };
    let (written, golden) = (read(dir.path().to_owned()), read(K::folder()));
    for (field, value) in &written {
        let expected = if tokens.contains(&field.as_str()) { &Value::Null } else { &golden[field] };
        assert_eq!(value, expected, "{field}");
    }
    let (again, _) = K::import(dir.path(), &Device::flex()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
}

#[test]
fn gpt2_config_is_written_as_it_was() {
    config_is_written_as_it_was::<Gpt>(&["bos_token_id", "eos_token_id"]);
}

#[test]
fn bert_config_is_written_as_it_was() {
    config_is_written_as_it_was::<Bert>(&["pad_token_id"]);
}

#[test]
fn dropout_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let config = super::BertConfig { dropout: 0.25, ..Bert::of_bytes() };
    Bert::export(&config, &Bert::init(config, &device), dir.path()).unwrap();
    assert_eq!(Bert::import(dir.path(), &device).unwrap().0, config);

    let config = super::GptConfig { dropout: 0.25, ..Gpt::of_bytes() };
    Gpt::export(&config, &Gpt::init(config, &device), dir.path()).unwrap();
    assert_eq!(Gpt::import(dir.path(), &device).unwrap().0.dropout, 0.25);
}

#[test]
fn an_export_takes_the_place_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let first = Gpt::of_bytes();
    Gpt::export(&first, &Gpt::init(first, &device), dir.path()).unwrap();
    let (config, model) = Gpt::import(&Gpt::folder(), &device).unwrap();
    Gpt::export(&config, &model, dir.path()).unwrap();
    let (again, _) = Gpt::import(dir.path(), &device).unwrap();
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "files are left over");
}

#[test]
fn a_model_of_another_shape_is_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let config = Bert::of_bytes();
    let model = Bert::init(config, &Device::flex());
    type Change = fn(&mut super::BertConfig);
    let changes: [(Change, &str); 3] = [
        (|c| c.layers = 3, "the number of layers is 12, expected 3"),
        (|c| c.vocabulary = 61, "has shape [256, 24], expected [61, 24]"),
        (|c| c.positions = 512, "has shape [32, 24], expected [512, 24]"),
    ];
    for (change, expected) in changes {
        let mut other = config;
        change(&mut other);
        match Bert::export(&other, &model, &dir.path().join("out")) {
            Err(Failure::Usage(message)) => assert!(message.contains(expected), "{message}"),
            other => panic!("{other:?}"),
        }
        assert!(!dir.path().join("out").exists());
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let config = Bert::of_bytes();
    let model = Bert::init(config, &Device::flex());
    match Bert::export(&config, &model, &file) {
        Err(Failure::Usage(message)) => assert!(message.contains("cannot be made"), "{message}"),
        other => panic!("{other:?}"),
    }

    let weights = dir.path().join("model.safetensors");
    std::fs::create_dir(&weights).unwrap();
    match Bert::export(&config, &model, dir.path()) {
        Err(Failure::Run(message)) => {
            assert!(
                message.contains("model.safetensors: ") && !message.contains('\n'),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "files are left over");
}
