//! Runs: a task in training, from its first step to its results.

mod branch;
mod end;
mod finish;
mod micro_batches;
mod state;
mod step;
mod train_loop;
mod training;

pub use branch::Branch;
pub use end::End;
pub use micro_batches::{Gradients, MicroStep};
pub use state::{Run, Step};
pub use training::Training;
