//! Models in the layout of Hugging Face: a folder with `config.json` and `model.safetensors`, as
//! `transformers` reads and writes it.
//!
//! An import gives the model with all its layers. A model of another architecture, or files that do
//! not hold exactly one model of the configured shape, are refused in one line.

mod bert;
mod config;
mod export;
mod gpt2;
mod weights;

pub use bert::{export_bert, import_bert, shape as bert_shape};
pub use config::{ConfigFields, read_fields, restore_fields};
pub use export::export;
pub use gpt2::{export_gpt2, import_gpt2, shape as gpt2_shape};
pub use weights::{BERT, GPT2, Layout, files as weight_files};
