//! Grows a GPT on text: 1 → 3 → 6 → 12 layers with the paper's schedule, on the CPU in a few minutes.
//!
//! ```text
//! cargo run --example gpt
//! cargo run --example gpt -- --generate "ROMEO:"
//! ```

#[path = "../common/mod.rs"]
mod common;
mod generate;
mod options;
mod progress;
mod train;

use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    common::start(|options: Options| match &options.generate {
        Some(prompt) => generate::from_run(&options, prompt),
        None => train::run(&options),
    })
}
