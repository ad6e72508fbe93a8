//! What the examples share: models, corpora, files of Hugging Face, and a command line around `burn_apollo_lab`.

pub mod device;
mod failure;
pub mod hf;
pub mod models;
pub mod options;
mod start;
pub mod text;
mod train;

pub use failure::{Failure, run_error, usage};
pub use start::{Defaults, start, start_with};
pub use train::{conclude, finished, refuse_run, train};
