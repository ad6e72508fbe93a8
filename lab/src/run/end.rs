//! How a training ends.

use crate::terminal::Signal;

/// How a training ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The run is finished, now or before.
    Finished,
    /// After a step, as [`Options::stop_after`](crate::Options::stop_after) asks; a checkpoint is written.
    Stopped {
        /// Steps done.
        step: u64,
    },
    /// After a step in which a signal came; a checkpoint is written.
    Signal {
        /// The signal.
        signal: Signal,
        /// Steps done.
        step: u64,
    },
}
