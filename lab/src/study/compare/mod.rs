//! What the trainings of a study say beside each other.

mod comparison;
mod entry;
mod measures;
mod mixing;
mod scaling;
mod step_time;

pub use comparison::Comparison;
pub(super) use entry::scratch;
pub use entry::{Entry, Goal, Length, Saving, Spread};
pub use mixing::{LongestRun, Mixing};
pub use step_time::StepTime;
