//! `gpt`'s training, with faults.

use std::process::ExitCode;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{Failure, conclude, start_with, train};
use apollo_examples_faults::{FaultyTask, Pauses};
use burn_apollo_lab::Training;
use gpt::{MODELS, Options};

fn main() -> ExitCode {
    start_with(&gpt::DEFAULTS, gpt::derived, run)
}

fn run(options: Options) -> Result<(), Failure> {
    let (config, text) = options.text.config(&options.run, &options.plan, &MODELS)?;
    let task = FaultyTask(NextToken::new(&config, text, options.sampling(config.plan.seed)));
    let training = Training::new(task, config).same_run(TextConfig::same_run).observer(Pauses);
    conclude(train(training, &options.run)?)
}
