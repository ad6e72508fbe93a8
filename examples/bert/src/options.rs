use std::path::Path;

use apollo_examples::options::plan::PlanOptions;
use apollo_examples::options::preset;
use apollo_examples::options::run::RunOptions;
use apollo_examples::options::text::{Sizes, TextProgram};
use apollo_examples::{Defaults, Failure, hf};
use clap::{ArgMatches, Parser};

use crate::preset::Published;

/// What options are that are not given.
pub const DEFAULTS: [(&str, &str); 13] = [
    ("data", concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/shakespeare.txt")),
    ("out", "runs/bert"),
    ("width", "32"),
    ("heads", "2"),
    ("seq", "32"),
    ("recipe", "gradual"),
    ("optimizer", "muon"),
    ("steps", "4400"),
    ("batch", "16"),
    ("accumulate", "2"),
    ("lr", "0.0025"),
    ("clip", "1"),
    ("checkpoint_every", "400"),
];

/// Trains a BERT by progressive depth to fill in masked bytes or sub-words, 15 % of a text.
#[derive(Parser, Debug)]
#[command(name = "bert", version, args_override_self = true)]
pub struct Options {
    /// A BERT in its published size, trained as the Apollo paper does: other defaults, which --help then shows
    #[arg(long, value_enum)]
    pub preset: Option<Published>,
    #[command(flatten)]
    pub text: TextProgram,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(flatten)]
    pub plan: PlanOptions,
}

/// The defaults that `--preset` and `--init-from` change.
pub fn derived(matches: &ArgMatches) -> Result<Defaults, Failure> {
    let sizes = |dir: &Path| Ok(Sizes::from(&hf::read_bert_config(dir)?));
    preset::derived(matches, Published::preset, sizes)
}
