use apollo_examples::options::run::RunOptions;
use apollo_examples::options::text::TextOptions;
use apollo_examples::text::generate::Sampling;
use clap::{Parser, ValueEnum};

use crate::plan::Policy;

/// What options are that are not given.
pub const DEFAULTS: [(&str, &str); 9] = [
    ("data", "data/shakespeare.txt"),
    ("out", "runs/custom_policy"),
    ("layers", "8"),
    ("width", "64"),
    ("heads", "2"),
    ("seq", "32"),
    ("batch", "16"),
    ("steps", "400"),
    ("lr", "0.003"),
];

/// Trains a small GPT by growth policies of a user's own, and by the fixed schedule at the same cost.
#[derive(Parser, Debug)]
#[command(name = "custom_policy", version, args_override_self = true)]
pub struct Options {
    /// The policy to train by; each in turn if not given
    #[arg(long, value_enum)]
    pub(crate) policy: Option<Policy>,
    #[command(flatten)]
    pub text: TextOptions,
    #[command(flatten)]
    pub run: RunOptions,
}

impl Options {
    pub(crate) fn policies(&self) -> Vec<Policy> {
        self.policy.map_or_else(|| Policy::value_variants().to_vec(), |policy| vec![policy])
    }

    /// How a finished run shows what it learned.
    pub(crate) fn sampling(&self) -> Sampling {
        Sampling { length: 80, temperature: 0.8, seed: self.run.seed }
    }
}
