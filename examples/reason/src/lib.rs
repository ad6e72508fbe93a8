//! Grows a decoder on problems that few layers cannot solve: the product of every prefix of a word of a group.
//!
//! ```text
//! cargo run -p reason
//! cargo run -p reason -- --group a5 --length 12
//! ```

mod data;
mod group;
mod hop;
mod mano;
mod model;
mod options;
mod problem;
mod task;

use apollo_examples::{Failure, conclude, train};
use burn_apollo_lab::Training;

pub use group::Group;
pub use options::{BETA2, DEFAULTS, Options, ProblemOptions, ReasonConfig};
pub use problem::Problem;
pub use task::Reasoning;

/// Does what the options ask for.
pub fn run(options: Options) -> Result<(), Failure> {
    let config = options.config()?;
    let training = Training::new(Reasoning::new(&config), config);
    conclude(train(training, &options.run)?)
}
