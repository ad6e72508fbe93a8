//! Grows a decoder on problems that need depth: products of words of a group, arithmetic in prefix notation, jumps back.
//!
//! ```text
//! cargo run -p reason
//! cargo run -p reason -- --solve "1 4 2 5"
//! cargo run -p reason -- --group a5 --length 12 --out runs/a5
//! cargo run -p reason -- --problem hop --out runs/hop
//! ```

mod data;
mod group;
mod hop;
mod mano;
mod model;
mod options;
mod picture;
mod problem;
mod solve;
mod task;

use apollo_examples::{Failure, conclude, train};
use burn_apollo_lab::Training;

pub use group::Group;
pub use options::{BETA2, DEFAULTS, Options, ProblemOptions, ReasonConfig};
pub use problem::Problem;
pub use task::Reasoning;

/// Does what the options ask for.
pub fn run(options: Options) -> Result<(), Failure> {
    if let Some(text) = &options.solve {
        return solve::from_run(&options, text);
    }
    let config = options.config()?;
    let training = Training::new(Reasoning::new(&config), config);
    conclude(train(training, &options.run)?)
}
