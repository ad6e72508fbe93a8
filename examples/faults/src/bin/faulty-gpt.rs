//! `gpt`'s training, with faults.

use std::process::ExitCode;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{Failure, conclude, start_with, train};
use apollo_examples_faults::{FaultyPlan, FaultyTask};
use burn_apollo_lab::{RunConfig, Training};
use gpt::Options;

fn main() -> ExitCode {
    start_with(&gpt::DEFAULTS, gpt::derived, run)
}

fn run(options: Options) -> Result<(), Failure> {
    let (config, text) = options.text.config(&options.run, &options.plan, &[])?;
    let task = FaultyTask(NextToken::new(&config, text, options.sampling()));
    let RunConfig { task: text, steps, batch, accumulate, lr, optimizer, seed, not_finite, plan } =
        config;
    let plan = FaultyPlan(plan);
    let config =
        RunConfig { task: text, steps, batch, accumulate, lr, optimizer, seed, not_finite, plan };
    let training = Training::new(task, config).same_run(TextConfig::same_run);
    conclude(train(training, &options.run)?)
}
