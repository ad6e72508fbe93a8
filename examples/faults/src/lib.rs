//! Faults that the tests ask for by the environment variable `BURN_APOLLO_FAULT`, in tasks and plans of the examples.

mod fault;
mod plan;
mod task;

pub use plan::FaultyPlan;
pub use task::FaultyTask;
