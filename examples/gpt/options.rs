use std::path::PathBuf;

use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::common::gpt::GptConfig;
use crate::common::options::probability;
use crate::common::run_options::{RunConfig, RunOptions};
use crate::common::text::{Text, VOCABULARY};
use crate::common::{Failure, usage};

/// Trains a byte-level GPT by progressive depth, then writes some text with it.
#[derive(Parser, Debug)]
#[command(name = "gpt", version, args_override_self = true)]
pub struct Options {
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
    #[command(flatten)]
    pub run: RunOptions,
    /// Continue this text with the finished run in the output folder, and train nothing
    #[arg(long, value_name = "PROMPT")]
    pub generate: Option<String>,
    /// Bytes to generate
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub length: u32,
    /// Temperature of the sampled text; 0 takes the likeliest byte
    #[arg(long, default_value_t = 0.8, value_parser = temperature)]
    pub temperature: f64,
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

    pub fn model(&self) -> GptConfig {
        GptConfig {
            vocabulary: VOCABULARY,
            positions: self.seq,
            width: self.width,
            heads: self.heads,
            layers: self.layers,
            // Measured on the default run: GPT-2's 0.02 for its width of 768 is too little for a narrow model.
            embedding_std: 0.1,
            linear_std: 0.02 * (768.0 / self.width as f64).sqrt(),
            dropout: self.dropout,
        }
    }
}

impl Options {
    pub fn config(&self) -> Result<(RunConfig<TextConfig>, Text), Failure> {
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
        Ok((self.run.config(task, &targets)?, text))
    }
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(t) if (0.0..=100.0).contains(&t) => Ok(t),
        _ => Err("must be a number from 0 to 100".to_owned()),
    }
}
