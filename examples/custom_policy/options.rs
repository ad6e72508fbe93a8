use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Trains a small GPT by growth policies of a user's own, and by the fixed schedule at the same cost.
#[derive(Parser, Debug, Serialize)]
#[command(name = "custom_policy", version, args_override_self = true)]
pub struct Options {
    /// The policy to train by
    #[arg(long, value_enum, default_value = "all")]
    pub policy: Policy,
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

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    Decorrelate,
    TryOut,
    Arithmetic,
    All,
}

impl Options {
    pub fn policies(&self) -> Vec<Policy> {
        match self.policy {
            Policy::All => vec![Policy::Decorrelate, Policy::TryOut, Policy::Arithmetic],
            one => vec![one],
        }
    }
}

impl Policy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Decorrelate => "decorrelate",
            Self::TryOut => "try-out",
            Self::Arithmetic => "arithmetic",
            Self::All => "all",
        }
    }

    /// The run by the fixed schedule that stands beside it.
    pub fn fixed_name(self) -> &'static str {
        match self {
            Self::Decorrelate => "decorrelate-fixed",
            Self::TryOut => "try-out-fixed",
            Self::Arithmetic => "arithmetic-fixed",
            Self::All => "fixed",
        }
    }
}

fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(lr) if lr > 0.0 && lr <= 1.0 => Ok(lr),
        _ => Err("must be a number above 0 and at most 1".to_owned()),
    }
}
