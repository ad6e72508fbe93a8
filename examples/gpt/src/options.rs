use apollo_examples::models::gpt::OUTPUT_PROJECTIONS;
use apollo_examples::options::plan::PlanOptions;
use apollo_examples::options::preset;
use apollo_examples::options::run::RunOptions;
use apollo_examples::options::text::{Models, TextProgram};
use apollo_examples::text::corpus::Vocabulary;
use apollo_examples::text::generate::Sampling;
use apollo_examples::{Defaults, Failure, hf};
use clap::{ArgMatches, Parser};

use crate::preset::Published;

/// What options are that are not given.
pub const DEFAULTS: [(&str, &str); 12] = [
    ("data", "data/shakespeare.txt"),
    ("out", "runs/gpt"),
    ("width", "32"),
    ("heads", "2"),
    ("recipe", "quarter_in_decay"),
    ("optimizer", "muon"),
    ("steps", "2000"),
    ("batch", "8"),
    ("accumulate", "2"),
    ("lr", "0.01"),
    ("clip", "1"),
    ("checkpoint_every", "500"),
];

/// GPT-2.
pub const MODELS: Models = Models {
    name: "gpt",
    special: &[],
    output_projections: &OUTPUT_PROJECTIONS,
    tokens: Vocabulary::size,
    sizes: |fields, dir| Ok(hf::gpt2_shape(fields, dir)?.into()),
};

/// Trains a GPT on bytes or sub-words by progressive depth, then writes some text with it.
#[derive(Parser, Debug)]
#[command(name = "gpt", version, args_override_self = true)]
pub struct Options {
    /// A GPT-2 in its published size, trained as the Apollo paper does: other defaults, which --help then shows
    #[arg(long, value_enum)]
    pub preset: Option<Published>,
    #[command(flatten)]
    pub text: TextProgram,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Continue this text with the finished run in the output folder, and train nothing
    #[arg(long, value_name = "PROMPT")]
    pub generate: Option<String>,
    /// Tokens to generate
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub length: u32,
    /// Temperature of the sampled text; 0 takes the likeliest token
    #[arg(long, default_value_t = 0.8, value_parser = temperature)]
    pub temperature: f64,
}

/// The defaults that `--preset` and `--init-from` change.
pub fn derived(matches: &ArgMatches) -> Result<Defaults, Failure> {
    preset::derived(matches, Published::preset, &MODELS)
}

impl Options {
    /// How text is sampled.
    pub fn sampling(&self, seed: u64) -> Sampling {
        Sampling { length: self.length, temperature: self.temperature, seed }
    }
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(t) if (0.0..=100.0).contains(&t) => Ok(t),
        _ => Err("must be a number from 0 to 100".to_owned()),
    }
}
