//! GPT-2, which `transformers` calls `GPT2LMHeadModel`.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::config::{self, ConfigFields, ConfigFile, read_fields};
use super::weights::{GPT2, Sizes, Weights};
use crate::Failure;
use crate::models::gpt::{Gpt, GptConfig};

/// The fields of `config.json` that decide what is computed; what is missing is as `transformers` has it.
#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(default)]
    architectures: Vec<String>,
    model_type: String,
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "epsilon")]
    layer_norm_epsilon: f64,
    #[serde(default = "initializer_range")]
    initializer_range: f64,
    #[serde(default = "dropout")]
    embd_pdrop: f64,
    #[serde(default = "dropout")]
    attn_pdrop: f64,
    #[serde(default = "dropout")]
    resid_pdrop: f64,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default)]
    add_cross_attention: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    /// Tokens of the tokenizer, of which the model knows nothing.
    #[serde(skip_deserializing)]
    bos_token_id: Option<u32>,
    #[serde(skip_deserializing)]
    eos_token_id: Option<u32>,
}

fn gelu_new() -> String {
    "gelu_new".to_owned()
}

fn epsilon() -> f64 {
    1e-5
}

fn initializer_range() -> f64 {
    0.02
}

fn dropout() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

/// The model in `dir`, with all its layers.
pub fn import_gpt2(dir: &Path, device: &Device) -> Result<(GptConfig, Gpt), Failure> {
    let config = shape(&read_fields(dir)?, dir)?;
    let weights = Weights::open(&GPT2, dir, sizes(&config))?;
    let mut model = config.init(device);
    weights.load(&mut model)?;
    Ok((config, model))
}

/// The shape of a model in `dir`, by what its `config.json` says.
pub fn shape(fields: &ConfigFields, dir: &Path) -> Result<GptConfig, Failure> {
    let file = ConfigFile::<Fields>::of(fields, dir, "gpt2")?;
    let f = &file.fields;
    file.sizes(&[
        ("vocab_size", f.vocab_size),
        ("n_positions", f.n_positions),
        ("n_embd", f.n_embd),
        ("n_layer", f.n_layer),
        ("n_head", f.n_head),
    ])?;
    file.heads(("n_embd", f.n_embd), ("n_head", f.n_head))?;
    file.only("n_inner", f.n_inner.unwrap_or(4 * f.n_embd), 4 * f.n_embd)?;
    match f.activation_function.as_str() {
        "gelu_new" | "gelu_pytorch_tanh" => {}
        other => file.only("activation_function", other, "gelu_new")?,
    }
    file.only("layer_norm_epsilon", f.layer_norm_epsilon, epsilon())?;
    file.only("scale_attn_weights", f.scale_attn_weights, true)?;
    file.only("scale_attn_by_inverse_layer_idx", f.scale_attn_by_inverse_layer_idx, false)?;
    file.only("add_cross_attention", f.add_cross_attention, false)?;
    file.only("tie_word_embeddings", f.tie_word_embeddings, true)?;
    let std = file.std(f.initializer_range)?;
    let dropout = file.dropout(&[
        ("embd_pdrop", f.embd_pdrop),
        ("attn_pdrop", f.attn_pdrop),
        ("resid_pdrop", f.resid_pdrop),
    ])?;
    Ok(GptConfig {
        vocabulary: f.vocab_size,
        positions: f.n_positions,
        width: f.n_embd,
        heads: f.n_head,
        layers: f.n_layer,
        embedding_std: std,
        linear_std: std,
        dropout,
    })
}

/// Writes the full-depth `model` of shape `config` into `dir`, in the place of a model that is there.
pub fn export_gpt2(config: &GptConfig, model: &Gpt, dir: &Path) -> Result<(), Failure> {
    GPT2.save(model, sizes(config), dir)?;
    config::write(dir, &Fields::from(config))
}

fn sizes(config: &GptConfig) -> Sizes {
    Sizes {
        vocabulary: config.vocabulary,
        positions: config.positions,
        width: config.width,
        layers: config.layers,
    }
}

impl From<&GptConfig> for Fields {
    fn from(config: &GptConfig) -> Self {
        Self {
            architectures: vec!["GPT2LMHeadModel".to_owned()],
            model_type: "gpt2".to_owned(),
            vocab_size: config.vocabulary,
            n_positions: config.positions,
            n_embd: config.width,
            n_layer: config.layers,
            n_head: config.heads,
            n_inner: None,
            activation_function: gelu_new(),
            layer_norm_epsilon: epsilon(),
            initializer_range: config.linear_std,
            embd_pdrop: config.dropout,
            attn_pdrop: config.dropout,
            resid_pdrop: config.dropout,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            add_cross_attention: false,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_id: None,
        }
    }
}
