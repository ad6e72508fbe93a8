//! BERT for masked language modelling, which `transformers` calls `BertForMaskedLM`.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::config::{self, ConfigFields, ConfigFile, read_fields};
use super::weights::{BERT, Sizes, Weights};
use crate::Failure;
use crate::models::bert::{Bert, BertConfig};

/// The fields of `config.json` that decide what is computed; what is missing is as `transformers` has it.
#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(default)]
    architectures: Vec<String>,
    model_type: String,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "initializer_range")]
    initializer_range: f64,
    #[serde(default = "dropout")]
    hidden_dropout_prob: f64,
    #[serde(default = "dropout")]
    attention_probs_dropout_prob: f64,
    #[serde(default = "absolute", skip_serializing)]
    position_embedding_type: String,
    #[serde(default)]
    is_decoder: bool,
    #[serde(default)]
    add_cross_attention: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    /// A token whose embedding `transformers` would not train; the model here has none.
    #[serde(skip_deserializing)]
    pad_token_id: Option<u32>,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn epsilon() -> f64 {
    1e-12
}

fn initializer_range() -> f64 {
    0.02
}

fn dropout() -> f64 {
    0.1
}

fn absolute() -> String {
    "absolute".to_owned()
}

fn yes() -> bool {
    true
}

/// The model in `dir`, with all its layers.
pub fn import_bert(dir: &Path, device: &Device) -> Result<(BertConfig, Bert), Failure> {
    let config = shape(&read_fields(dir)?, dir)?;
    let weights = Weights::open(&BERT, dir, sizes(&config))?;
    let mut model = config.init(device);
    weights.load(&mut model)?;
    Ok((config, model))
}

/// The shape of a model in `dir`, by what its `config.json` says.
pub fn shape(fields: &ConfigFields, dir: &Path) -> Result<BertConfig, Failure> {
    let file = ConfigFile::<Fields>::of(fields, dir, "bert")?;
    let f = &file.fields;
    file.sizes(&[
        ("vocab_size", f.vocab_size),
        ("max_position_embeddings", f.max_position_embeddings),
        ("type_vocab_size", f.type_vocab_size),
        ("hidden_size", f.hidden_size),
        ("num_hidden_layers", f.num_hidden_layers),
        ("num_attention_heads", f.num_attention_heads),
    ])?;
    file.heads(("hidden_size", f.hidden_size), ("num_attention_heads", f.num_attention_heads))?;
    file.only("intermediate_size", f.intermediate_size, 4 * f.hidden_size)?;
    file.only("hidden_act", f.hidden_act.as_str(), "gelu")?;
    file.only("layer_norm_eps", f.layer_norm_eps, epsilon())?;
    file.only("position_embedding_type", f.position_embedding_type.as_str(), "absolute")?;
    file.only("is_decoder", f.is_decoder, false)?;
    file.only("add_cross_attention", f.add_cross_attention, false)?;
    file.only("tie_word_embeddings", f.tie_word_embeddings, true)?;
    Ok(BertConfig {
        vocabulary: f.vocab_size,
        positions: f.max_position_embeddings,
        token_types: f.type_vocab_size,
        width: f.hidden_size,
        heads: f.num_attention_heads,
        layers: f.num_hidden_layers,
        dropout: file.dropout(&[
            ("hidden_dropout_prob", f.hidden_dropout_prob),
            ("attention_probs_dropout_prob", f.attention_probs_dropout_prob),
        ])?,
        std: file.std(f.initializer_range)?,
    })
}

/// Writes the full-depth `model` of shape `config` into `dir`, in the place of a model that is there.
pub fn export_bert(config: &BertConfig, model: &Bert, dir: &Path) -> Result<(), Failure> {
    BERT.save(model, sizes(config), dir)?;
    config::write(dir, &Fields::from(config))
}

fn sizes(config: &BertConfig) -> Sizes {
    Sizes {
        vocabulary: config.vocabulary,
        positions: config.positions,
        width: config.width,
        layers: config.layers,
    }
}

impl From<&BertConfig> for Fields {
    fn from(config: &BertConfig) -> Self {
        Self {
            architectures: vec!["BertForMaskedLM".to_owned()],
            model_type: "bert".to_owned(),
            vocab_size: config.vocabulary,
            max_position_embeddings: config.positions,
            type_vocab_size: config.token_types,
            hidden_size: config.width,
            num_hidden_layers: config.layers,
            num_attention_heads: config.heads,
            intermediate_size: 4 * config.width,
            hidden_act: gelu(),
            layer_norm_eps: epsilon(),
            initializer_range: config.std,
            hidden_dropout_prob: config.dropout,
            attention_probs_dropout_prob: config.dropout,
            position_embedding_type: absolute(),
            is_decoder: false,
            add_cross_attention: false,
            tie_word_embeddings: true,
            pad_token_id: None,
        }
    }
}
