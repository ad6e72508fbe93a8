//! The examples as a user runs them, programs with files, and what their models are held to.
//!
//! Every program runs in a temporary folder and writes into one: no test sees the runs of the checkout.

pub mod biases;
pub mod golden;
#[cfg(unix)]
pub mod paused;
mod program;
mod steps;
pub mod sub_words;

pub use program::{Program, model, ok, read, refused, same_run, summary, table, text};
pub use steps::check_steps;

/// The text that the examples learn.
pub const SHAKESPEARE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/shakespeare.txt");
