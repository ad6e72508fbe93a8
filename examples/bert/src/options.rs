use apollo_examples::options::plan::PlanOptions;
use apollo_examples::options::preset;
use apollo_examples::options::run::RunOptions;
use apollo_examples::options::text::{Models, TextProgram};
use apollo_examples::text::corpus::vocabulary::MASK;
use apollo_examples::{Defaults, Failure, hf};
use clap::{ArgMatches, Parser};

use crate::masking::Masks;
use crate::preset::Published;

/// What options are that are not given.
pub const DEFAULTS: [(&str, &str); 13] = [
    ("data", "data/shakespeare.txt"),
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

/// BERT with its head for masked language modelling.
pub const MODELS: Models = Models {
    name: "bert",
    special: &[MASK],
    output_projections: &[],
    tokens: |vocabulary| Masks::of(vocabulary).vocabulary(),
    sizes: |fields, dir| Ok(hf::bert_shape(fields, dir)?.into()),
};

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
    preset::derived(matches, Published::preset, &MODELS)
}
