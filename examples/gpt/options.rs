use std::path::PathBuf;

use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::common::options::{PlanConfig, PlanOptions};
use crate::common::run_dir::Existing;
use crate::common::text::Text;
use crate::common::{Failure, usage};

/// Trains a byte-level GPT by progressive depth, then writes some text with it.
#[derive(Parser, Debug)]
#[command(name = "gpt", version, args_override_self = true)]
pub struct Options {
    /// Text to learn; the last 5 % are kept for validation
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/shakespeare.txt"))]
    pub data: PathBuf,
    /// Folder for steps.csv, summary.json, checkpoints and the model
    #[arg(long, value_name = "DIR", default_value = "runs/gpt")]
    pub out: PathBuf,
    /// Where to compute: flex, or cpu, cuda, rocm, wgpu, vulkan, metal in builds with that feature
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Layers of the full model
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub layers: u32,
    /// Width of the residual stream
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub width: u32,
    /// Attention heads; must divide the width
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub heads: u32,
    /// Optimizer steps
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub steps: u64,
    /// Windows per step
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// Tokens per window
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=65536))]
    pub seq: u32,
    /// Highest learning rate, reached after 2.5 % of the steps and lowered to a tenth by a cosine
    #[arg(long, default_value_t = 2e-3, value_parser = learning_rate)]
    pub lr: f64,
    /// Seed of the weights, the windows, the depths and the sampled text
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Steps between two checkpoints
    #[arg(long, value_name = "STEPS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_every: u64,
    /// Continue the run in the output folder, or begin it
    #[arg(long, conflicts_with = "overwrite")]
    pub resume: bool,
    /// Replace the run in the output folder
    #[arg(long)]
    pub overwrite: bool,
    /// Stop after this many steps as if interrupted; --resume goes on
    #[arg(long, value_name = "STEP", value_parser = clap::value_parser!(u64).range(1..))]
    pub stop_after: Option<u64>,
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

/// What a run is a function of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    pub data: PathBuf,
    /// CRC-32 of the text.
    pub data_checksum: u32,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub steps: u64,
    pub batch: usize,
    pub seq: usize,
    pub lr: f64,
    pub seed: u64,
    pub plan: PlanConfig,
}

impl RunConfig {
    /// Whether a run by `other` is this one; the same text may lie elsewhere.
    pub fn same_run(&self, other: &Self) -> bool {
        Self { data: other.data.clone(), ..self.clone() } == *other
    }

    /// End and expected depth of each stage.
    pub fn expected_depths(&self) -> Result<Vec<(u64, f64)>, Failure> {
        let timeline = self.plan.schedule.timeline(self.steps, &[self.layers]).map_err(usage)?;
        let depth = |stage| self.plan.sampler.mean_depth(timeline.layers(stage)[0], self.layers);
        Ok((0..timeline.stages()).map(|stage| (timeline.end(stage), depth(stage))).collect())
    }
}

impl Options {
    pub fn config(&self) -> Result<(RunConfig, Text), Failure> {
        if !self.width.is_multiple_of(self.heads) {
            return Err(usage(format!(
                "--heads {} must divide --width {}",
                self.heads, self.width
            )));
        }
        let text = Text::read(&self.data, self.seq as usize)?;
        let config = RunConfig {
            data: self.data.clone(),
            data_checksum: text.checksum(),
            layers: self.layers as usize,
            width: self.width as usize,
            heads: self.heads as usize,
            steps: self.steps,
            batch: self.batch as usize,
            seq: self.seq as usize,
            lr: self.lr,
            seed: self.seed,
            plan: self.plan.config(self.layers as usize)?,
        };
        Ok((config, text))
    }

    pub fn existing(&self) -> Existing {
        match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        }
    }
}

fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(lr) if lr > 0.0 && lr <= 1.0 => Ok(lr),
        _ => Err("must be a number above 0 and at most 1".to_owned()),
    }
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(t) if (0.0..=100.0).contains(&t) => Ok(t),
        _ => Err("must be a number from 0 to 100".to_owned()),
    }
}
