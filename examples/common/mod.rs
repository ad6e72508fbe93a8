//! What the examples share: models, text, devices, options and run folders.

#[allow(dead_code)] // not every example has both kinds of model
pub mod bert;
pub mod device;
pub mod gpt;
#[allow(dead_code, unused_imports)] // not every example reads or writes foreign files
pub mod hf;
pub mod language;
pub mod options;
pub mod run_dir;
pub mod text;

use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;

/// Parses the command line and runs `main`; every error becomes one line on standard error.
///
/// A command line, file or folder that cannot be used exits with 2, a run that fails later with 1.
pub fn start<O: Parser>(main: impl FnOnce(O) -> Result<(), Failure>) -> ExitCode {
    let options = match O::try_parse() {
        Ok(options) => options,
        Err(error) if !error.use_stderr() => {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let text = error.to_string();
            eprintln!("{} (see --help)", text.lines().next().unwrap_or("error: bad options"));
            return ExitCode::from(2);
        }
    };
    match main(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Run(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Why an example stops.
#[derive(Debug)]
pub enum Failure {
    /// What the user gave cannot be used.
    Usage(String),
    /// The run itself failed.
    Run(String),
}

/// A failure of what the user gave.
pub fn usage(message: impl Display) -> Failure {
    Failure::Usage(message.to_string())
}

/// A failure of the run.
pub fn run_error(message: impl Display) -> Failure {
    Failure::Run(message.to_string())
}
