//! Configurations that cannot be used are refused in one line that names the field.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Kind, assert_refused};
use apollo_examples::models::bert::Bert;
use apollo_examples::models::gpt::Gpt;

/// A copy of the golden folder with another configuration.
fn folder_with<K: Kind>(config: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let weights = "model.safetensors";
    std::fs::copy(K::folder().join(weights), dir.path().join(weights)).unwrap();
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    dir
}

fn changed<K: Kind>(field: &str, value: Value) -> TempDir {
    let mut config: Value = K::read("config.json");
    config[field] = value;
    folder_with::<K>(&config.to_string())
}

fn assert_fields_refused<K: Kind>(fields: &[(&str, Value, &str)]) {
    for (field, value, expected) in fields {
        assert_refused::<K>(changed::<K>(field, value.clone()).path(), expected);
    }
}

#[test]
fn gpt2_fields_are_checked() {
    assert_fields_refused::<Gpt>(&[
        ("model_type", json!("llama"), r#"model_type is "llama", expected "gpt2""#),
        ("model_type", json!("two\nlines"), r#"model_type is "two\nlines""#),
        ("model_type", Value::Null, "model_type is null, expected \"gpt2\""),
        ("vocab_size", json!(62), "transformer.wte.weight has shape [61, 24], expected [62, 24]"),
        ("n_positions", json!(31), "transformer.wpe.weight has shape [32, 24], expected [31, 24]"),
        ("n_embd", json!(27), "transformer.wte.weight has shape [61, 24], expected [61, 27]"),
        ("n_embd", json!(0), "n_embd is 0"),
        ("n_embd", json!(u64::MAX), "n_embd is 18446744073709551615, expected a number from 1"),
        ("n_embd", json!(-24), "invalid value: integer `-24`"),
        ("n_embd", json!("24"), "invalid type: string \"24\""),
        ("n_head", json!(0), "n_head is 0"),
        ("n_head", json!(5), "n_embd is 24, which n_head of 5 does not divide"),
        ("n_layer", json!(2), "the number of layers is 3, expected 2"),
        ("n_layer", json!(2_000_000_000), "the number of layers is 3, expected 2000000000"),
        ("n_inner", json!(48), "n_inner is 48, only 96 is supported"),
        ("activation_function", json!("relu"), "activation_function is \"relu\""),
        ("layer_norm_epsilon", json!(1e-6), "layer_norm_epsilon is 1e-6, only 1e-5"),
        ("scale_attn_weights", json!(false), "scale_attn_weights is false"),
        ("scale_attn_by_inverse_layer_idx", json!(true), "scale_attn_by_inverse_layer_idx"),
        ("add_cross_attention", json!(true), "add_cross_attention is true"),
        ("tie_word_embeddings", json!(false), "tie_word_embeddings is false"),
        ("initializer_range", json!(-1.0), "initializer_range is -1"),
        ("attn_pdrop", json!(0.1), "attn_pdrop is 0.1 but embd_pdrop is 0"),
        ("embd_pdrop", json!(1.0), "embd_pdrop is 1"),
    ]);
}

#[test]
fn bert_fields_are_checked() {
    assert_fields_refused::<Bert>(&[
        ("model_type", json!("roberta"), r#"model_type is "roberta", expected "bert""#),
        ("vocab_size", json!(256), "word_embeddings.weight has shape [61, 24], expected [256, 24]"),
        ("max_position_embeddings", json!(0), "max_position_embeddings is 0"),
        ("type_vocab_size", json!(3), "has shape [2, 24], expected [3, 24]"),
        ("hidden_size", json!(12), "intermediate_size is 96, only 48"),
        ("num_hidden_layers", json!(12), "the number of layers is 3, expected 12"),
        ("num_attention_heads", json!(7), "which num_attention_heads of 7 does not divide"),
        ("intermediate_size", json!(64), "intermediate_size is 64, only 96"),
        ("hidden_act", json!("gelu_new"), "hidden_act is \"gelu_new\", only \"gelu\""),
        ("layer_norm_eps", json!(1e-5), "layer_norm_eps is 1e-5, only 1e-12"),
        ("position_embedding_type", json!("relative_key"), "position_embedding_type"),
        ("is_decoder", json!(true), "is_decoder is true"),
        ("add_cross_attention", json!(true), "add_cross_attention is true"),
        ("tie_word_embeddings", json!(false), "tie_word_embeddings is false"),
        ("hidden_dropout_prob", json!(-0.1), "hidden_dropout_prob is -0.1"),
        ("attention_probs_dropout_prob", json!(0.5), "only one dropout is supported"),
    ]);
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let refused = |text: &str, expected: &str| {
        assert_refused::<Gpt>(folder_with::<Gpt>(text).path(), expected);
    };
    refused("", "config.json: EOF while parsing");
    refused("{\n\"model_type\": \"gpt2\",\n", "config.json: EOF while parsing");
    refused(r#"["gpt2"]"#, "config.json: invalid type: sequence, expected a map");
    refused("{}", "model_type is missing");
    refused(r#"{"model_type": "gpt2"}"#, "missing field `vocab_size`");
    refused(&r#"{"a":"#.repeat(100_000), "config.json: recursion limit");
    refused(&" ".repeat(1 << 21), "2097152 bytes are no configuration");

    let dir = tempfile::tempdir().unwrap();
    assert_refused::<Gpt>(dir.path(), "config.json: No such file");
    std::fs::create_dir(dir.path().join("config.json")).unwrap();
    assert_refused::<Gpt>(dir.path(), "config.json: is a folder");
    assert_refused::<Gpt>(Path::new("no/such/folder"), "no/such/folder/config.json");
}

#[test]
fn fields_that_are_missing_are_as_transformers_has_them() {
    let config = json!({
        "model_type": "bert", "vocab_size": 61, "max_position_embeddings": 32, "type_vocab_size": 2,
        "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96,
    });
    let dir = folder_with::<Bert>(&config.to_string());
    let (found, _) = Bert::import(dir.path(), &burn::tensor::Device::flex()).unwrap();
    assert_eq!((found.dropout, found.std), (0.1, 0.02));
}
