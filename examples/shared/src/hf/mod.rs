//! Models in the layout of Hugging Face: a folder with `config.json` and `model.safetensors`, as
//! `transformers` reads and writes it.
//!
//! An import gives the model with all its layers. A model of another architecture, or a file that does
//! not hold exactly one model of the configured shape, is refused in one line.

mod bert;
mod config;
mod gpt2;
mod weights;

pub use bert::{export_bert, import_bert, read_config as read_bert_config};
pub use gpt2::{export_gpt2, import_gpt2, read_config as read_gpt2_config};
pub use weights::{BERT, GPT2, Layout};
