use clap::Parser;

use crate::common::run_options::RunOptions;
use crate::common::text_options::TextOptions;

/// Trains a byte-level BERT by progressive depth to fill in masked bytes, 15 % of a text.
#[derive(Parser, Debug)]
#[command(name = "bert", version, args_override_self = true)]
pub struct Options {
    #[command(flatten)]
    pub text: TextOptions,
    #[command(flatten)]
    pub run: RunOptions,
}
