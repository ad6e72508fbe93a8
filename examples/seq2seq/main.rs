//! Grows an encoder and a decoder together on sorting letters: 4 and 6 layers on one clock.
//!
//! ```text
//! cargo run --example seq2seq
//! cargo run --example seq2seq -- --sort rustacean
//! ```

#[path = "../common/mod.rs"]
mod common;
mod data;
mod model;
mod options;
mod solve;
mod task;

use std::process::ExitCode;

use common::training::train;
use options::Options;
use task::Sorting;

fn main() -> ExitCode {
    let defaults = [("out", "runs/seq2seq"), ("steps", "1200"), ("batch", "64"), ("lr", "0.002")];
    common::start(&defaults, |options: Options| match &options.sort {
        Some(letters) => solve::from_run(&options, letters),
        None => {
            let config = options.config()?;
            let task = Sorting::new(&config);
            let same = config.clone();
            train::run(task, &options.run, config, |other| same == *other)
        }
    })
}
