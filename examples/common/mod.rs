//! What the examples share: models, data, options, devices, the training loop and run folders.
#![allow(dead_code)] // every example uses a part of it

pub mod bert;
pub mod device;
pub mod failure;
pub mod fault;
pub mod gpt;
pub mod hf;
pub mod language;
pub mod options;
pub mod progress;
pub mod rate;
pub mod results;
pub mod run_dir;
pub mod run_options;
pub mod signal;
pub mod table;
pub mod task;
pub mod text;
pub mod text_options;
pub mod train;
pub mod transformer;

use std::process::ExitCode;

pub use failure::{Failure, run_error, usage};

use clap::{ArgMatches, CommandFactory, FromArgMatches};

/// Parses the command line and runs `main`; every error becomes one line on standard error.
///
/// `defaults` gives values to options that every example sets its own way. A command line, file or folder that
/// cannot be used exits with 2, a run that fails later with 1, one that a signal stopped with 128 and its number.
pub fn start<O: CommandFactory + FromArgMatches>(
    defaults: &[(&'static str, &'static str)],
    main: impl FnOnce(O) -> Result<(), Failure>,
) -> ExitCode {
    let command = defaults.iter().fold(O::command(), |command, (option, value)| {
        command.mut_arg(option, |arg| arg.default_value(*value).required(false))
    });
    let parsed = command.try_get_matches().and_then(|m: ArgMatches| O::from_arg_matches(&m));
    let options = match parsed {
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
        Err(Failure::Signal(signal, step)) => {
            eprintln!(
                "stopped by {} after step {step}; the checkpoint is written, --resume goes on",
                signal.name
            );
            ExitCode::from(signal.exit_code)
        }
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
