//! Grows a vision transformer on handwritten digits: 1 → 3 → 6 → 12 layers with the paper's schedule.
//!
//! ```text
//! cargo run --example vision
//! ```

#[path = "../common/mod.rs"]
mod common;
mod data;
mod linear;
mod model;
mod options;
mod picture;
mod task;

use std::process::ExitCode;

use common::training::train;
use options::{DigitsConfig, Options};
use task::Digits;

fn main() -> ExitCode {
    let defaults = [("out", "runs/vision"), ("steps", "600"), ("batch", "128"), ("lr", "0.003")];
    common::start(&defaults, |options: Options| {
        let (config, images) = options.config()?;
        let task = Digits::new(&config, images);
        let same = config.clone();
        train::run(task, &options.run, config, |other| DigitsConfig::same_run(&same, other))
    })
}
