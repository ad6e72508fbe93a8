//! What a run and a study show on a terminal, and the signals that come from it.

mod printable;
mod progress;
mod signal;
mod study;

pub use printable::printable;
pub use progress::Progress;
pub use signal::{Signal, Signals};
pub use study::StudyProgress;
