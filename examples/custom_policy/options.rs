use clap::{Parser, ValueEnum};

use crate::common::text::generate::Sampling;
use crate::common::text::options::TextOptions;
use crate::common::training::run_options::RunOptions;
use crate::plan::Policy;

/// Trains a small GPT by growth policies of a user's own, and by the fixed schedule at the same cost.
#[derive(Parser, Debug)]
#[command(name = "custom_policy", version, args_override_self = true)]
pub struct Options {
    /// The policy to train by; each in turn if not given
    #[arg(long, value_enum)]
    pub policy: Option<Policy>,
    #[command(flatten)]
    pub text: TextOptions,
    #[command(flatten)]
    pub run: RunOptions,
}

impl Options {
    pub fn policies(&self) -> Vec<Policy> {
        self.policy.map_or_else(|| Policy::value_variants().to_vec(), |policy| vec![policy])
    }

    /// How a finished run shows what it learned.
    pub fn sampling(&self) -> Sampling {
        Sampling { length: 80, temperature: 0.8, seed: self.run.seed }
    }
}
