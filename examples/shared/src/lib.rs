//! What the examples share: models, corpora, files of Hugging Face, and a command line around `burn_apollo_lab`.

mod caught;
pub mod device;
mod failure;
mod files;
pub mod hf;
pub mod models;
pub mod options;
mod start;
pub mod text;
mod train;

pub use burn_apollo_lab::Existing;
pub use failure::{Failure, run_error, usage};
pub use files::{Content, check_folder, data_file, regular};
pub use start::{Defaults, NotParsed, parse, start, start_with};
pub use train::{conclude, finished, refuse_run, run_config, train};
