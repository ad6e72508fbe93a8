//! Grows a GPT on text: 1 → 3 → 6 → 12 layers with the paper's schedule, on the CPU in a few minutes.
//!
//! ```text
//! cargo run --example gpt
//! cargo run --example gpt -- --generate "ROMEO:"
//! cargo run --example gpt -- --vocabulary 2048 --out runs/sub-words
//! cargo run --example gpt --features cuda -- --device cuda --preset gpt2 --data TEXT --vocabulary 50257
//! ```

#[path = "../common/mod.rs"]
mod common;
mod generate;
mod options;
mod preset;

use std::process::ExitCode;

use common::Failure;
use common::text::next_token::NextToken;
use common::text::options::TextConfig;
use common::training::train;
use options::Options;

fn main() -> ExitCode {
    let defaults = [("out", "runs/gpt"), ("steps", "700"), ("batch", "16"), ("lr", "0.002")];
    common::start_with(&defaults, options::derived, run)
}

fn run(options: Options) -> Result<(), Failure> {
    match (&options.generate, &options.text.export) {
        (Some(prompt), _) => generate::from_run(&options, prompt),
        (None, Some(dir)) => generate::export(&options, dir),
        (None, None) if options.text.prepared(&options.run, &[])? => Ok(()),
        (None, None) => {
            let (config, text) = options.text.config(&options.run, &options.plan, &[])?;
            let task = NextToken::new(&config, text, options.sampling());
            let same = config.clone();
            train::run(task, &options.run, config, |other| TextConfig::same_run(&same, other))
        }
    }
}
