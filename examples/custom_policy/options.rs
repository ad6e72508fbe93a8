use std::path::PathBuf;

use clap::Parser;
use serde::Serialize;

/// Trains a small GPT by growth policies of a user's own, and by the fixed schedule at the same cost.
#[derive(Parser, Debug, Serialize)]
#[command(name = "custom_policy", version, args_override_self = true)]
pub struct Options {
    /// The policy to train by
    #[arg(long, default_value = "all", value_parser = ["decorrelate", "try-out", "arithmetic", "all"])]
    pub policy: String,
    /// Optimizer steps of each policy's run
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(8..=1_000_000_000))]
    pub steps: u64,
    /// Seed of the weights, the data order and the depths
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Highest learning rate, reached after 2.5 % of the steps and lowered to a tenth by a cosine
    #[arg(long, default_value_t = 0.003, value_parser = learning_rate)]
    pub lr: f64,
    /// Text to learn; the last 5 % are kept for validation
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/shakespeare.txt"))]
    pub data: PathBuf,
    /// Where to compute: flex, or cpu, cuda, rocm, wgpu, vulkan, metal in builds with that feature
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Folder for a table of steps per run and summary.json
    #[arg(long, value_name = "DIR", default_value = "runs/custom_policy")]
    pub out: PathBuf,
    /// Replace the results in the output folder
    #[arg(long)]
    #[serde(skip)]
    pub overwrite: bool,
}

fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(lr) if lr > 0.0 && lr <= 1.0 => Ok(lr),
        _ => Err("must be a number above 0 and at most 1".to_owned()),
    }
}
