//! Runs: a task in training, from its first step to its results.

mod end;
mod finish;
mod micro_batches;
mod state;
mod step;
mod train_loop;
mod training;
mod try_out;

pub use end::End;
pub use micro_batches::{Gradients, MicroStep};
pub use state::{Run, Step};
pub use training::Training;
pub use try_out::{Branch, TryOut};
