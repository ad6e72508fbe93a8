//! Faults that the tests ask for by the environment variable `BURN_APOLLO_FAULT`, in tasks and runs of the examples.

mod fault;
mod moments;
mod task;

pub use moments::Pauses;
pub use task::FaultyTask;
