//! How an example fails: in one line, with the options that it has.

use std::fmt::Display;

use burn_apollo_lab::{LabError, Signal};
use thiserror::Error;

/// Why an example stops.
#[derive(Debug, Error)]
pub enum Failure {
    /// What the user gave cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The run itself failed.
    #[error("{0}")]
    Run(String),
    /// A signal ended it: when, and what is left.
    #[error("stopped by {signal} {what}", signal = .0.name, what = .1)]
    Signal(Signal, String),
}

/// A failure of what the user gave.
pub fn usage(message: impl Display) -> Failure {
    Failure::Usage(message.to_string())
}

/// A failure of the run.
pub fn run_error(message: impl Display) -> Failure {
    Failure::Run(message.to_string())
}

/// An error of the lab in the words of the command line.
impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let message = match &error {
            LabError::HoldsRun { folder } => format!(
                "--out {}: already holds a run; continue it with --resume, replace it with --overwrite, or name another \
                 folder",
                folder.display()
            ),
            LabError::OtherSet { set } => {
                format!("--resume: {} is of a run with other options", set.display())
            }
            LabError::Remains { .. } => {
                format!("--out {}; --overwrite replaces them", error.chain())
            }
            LabError::NoRun { .. } | LabError::Folder { .. } => {
                format!("--out {}", error.chain())
            }
            LabError::Restore(_) => format!("--resume: {}", error.chain()),
            _ => error.chain(),
        };
        match error.is_usage() {
            true => Self::Usage(message),
            false => Self::Run(message),
        }
    }
}

/// A failure within a task.
impl From<Failure> for LabError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Usage(message) => Self::usage(message),
            Failure::Run(_) | Failure::Signal(..) => Self::failed(failure),
        }
    }
}
