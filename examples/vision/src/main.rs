//! Grows a vision transformer on handwritten digits: 1 → 3 → 6 → 12 layers with the paper's schedule.
//!
//! ```text
//! cargo run -p vision
//! ```

mod data;
mod linear;
mod model;
mod options;
mod picture;
mod task;

use std::process::ExitCode;

use apollo_examples::{conclude, start, train};
use burn_apollo_lab::Training;
use options::{DigitsConfig, Options};
use task::Digits;

fn main() -> ExitCode {
    let defaults = [("out", "runs/vision"), ("steps", "600"), ("batch", "128"), ("lr", "0.003")];
    start(&defaults, |options: Options| {
        let (config, images) = options.config()?;
        let task = Digits::new(&config, images);
        let training = Training::new(task, config).same_run(DigitsConfig::same_run);
        conclude(train(training, &options.run)?)
    })
}
