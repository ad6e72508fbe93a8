//! How an example fails.

use std::fmt::Display;

/// Why an example stops.
#[derive(Debug)]
pub enum Failure {
    /// What the user gave cannot be used.
    Usage(String),
    /// The run itself failed.
    Run(String),
    /// A signal ended the run: when, and what is left.
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

/// A signal, as its exit code tells it: 128 and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    pub name: &'static str,
    pub exit_code: u8,
}
