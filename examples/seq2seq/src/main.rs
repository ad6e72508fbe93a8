//! Grows an encoder and a decoder together on sorting letters: 4 and 6 layers on one clock.
//!
//! ```text
//! cargo run -p seq2seq
//! cargo run -p seq2seq -- --sort rustacean
//! ```

mod data;
mod model;
mod options;
mod solve;
mod task;

use std::process::ExitCode;

use apollo_examples::{conclude, start, train};
use burn_apollo_lab::Training;
use options::Options;
use task::Sorting;

fn main() -> ExitCode {
    let defaults = [("out", "runs/seq2seq"), ("steps", "1200"), ("batch", "64"), ("lr", "0.002")];
    start(&defaults, |options: Options| match &options.sort {
        Some(letters) => solve::from_run(&options, letters),
        None => {
            let config = options.config()?;
            let training = Training::new(Sorting::new(&config), config);
            conclude(train(training, &options.run)?)
        }
    })
}
