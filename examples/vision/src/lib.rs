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

use apollo_examples::{Failure, conclude, train};
use burn_apollo_lab::Training;

pub use data::Images;
pub use options::{DATA, DEFAULTS, DigitsConfig, Options};
pub use task::Digits;

/// Does what the options ask for.
pub fn run(options: Options) -> Result<(), Failure> {
    let (config, images) = options.config()?;
    let task = Digits::new(&config, images);
    let training = Training::new(task, config).same_run(DigitsConfig::same_run);
    conclude(train(training, &options.run)?)
}
