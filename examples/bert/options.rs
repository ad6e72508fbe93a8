use std::path::Path;

use clap::{ArgMatches, Parser};

use crate::common::text::options::{Sizes, TextProgram};
use crate::common::training::plan::PlanOptions;
use crate::common::training::run_options::RunOptions;
use crate::common::{Defaults, Failure, hf, preset};
use crate::preset::Published;

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
