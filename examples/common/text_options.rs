//! Options of the examples that learn a text: the text, and the size of the model.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::options::probability;
use super::run_options::{RunConfig, RunOptions};
use super::text::Text;
use super::{Failure, usage};

/// A text and a model for it.
#[derive(Args, Debug)]
pub struct TextOptions {
    /// Text to learn; the last 5 % are kept for validation
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/shakespeare.txt"))]
    pub data: PathBuf,
    /// Layers of the full model
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub layers: u32,
    /// Width of the residual stream
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub width: u32,
    /// Attention heads; must divide the width
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub heads: u32,
    /// Tokens per window
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=65536))]
    pub seq: u32,
    /// Probability of dropout while training
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    pub dropout: f64,
}

/// The text and the model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    pub data: PathBuf,
    /// CRC-32 of the text.
    pub data_checksum: u32,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub seq: usize,
    pub dropout: f64,
}

impl TextConfig {
    /// Whether two runs are the same; the same text may lie elsewhere.
    pub fn same_run(one: &RunConfig<Self>, other: &RunConfig<Self>) -> bool {
        let mut other = other.clone();
        other.task.data.clone_from(&one.task.data);
        *one == other
    }
}

impl TextOptions {
    pub fn config(&self, run: &RunOptions) -> Result<(RunConfig<TextConfig>, Text), Failure> {
        if !self.width.is_multiple_of(self.heads) {
            return Err(usage(format!(
                "--heads {} must divide --width {}",
                self.heads, self.width
            )));
        }
        let text = Text::read(&self.data, self.seq as usize)?;
        let task = TextConfig {
            data: self.data.clone(),
            data_checksum: text.checksum(),
            layers: self.layers as usize,
            width: self.width as usize,
            heads: self.heads as usize,
            seq: self.seq as usize,
            dropout: self.dropout,
        };
        let targets = [task.layers];
        Ok((run.config(task, &targets)?, text))
    }
}
