//! Adopting progressive depth inside burn-train, in two parts: residual networks that learn to tell two spirals apart.
//!
//! ```text
//! cargo run -p adopt                  # the smallest adoption
//! cargo run -p adopt -- train         # a whole project
//! ```
//!
//! The smallest adoption: `before.rs` is a plain Burn model and its training, `after.rs` the same with progressive depth. The
//! eight lines that changed are marked `// new`.
//!
//! The whole project is `project.rs`: shuffled data, a plan, metrics, checkpoints, a stop and an exact resume.

mod after;
mod before;
mod failure;
mod lines;
mod project;
mod signals;
mod spirals;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::{Parser, Subcommand};
use failure::{Failure, failed};

/// Trains a plain Burn model and the same model with progressive depth; with `train`, a whole project.
#[derive(Parser)]
#[command(name = "adopt", version)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Trains with metrics, checkpoints and burn-train's terminal display; a run that was stopped goes on exactly.
    #[command(args_override_self = true)]
    Train(project::Options),
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return not_parsed(&error),
    };
    let done = match options.command {
        Some(Command::Train(options)) => project::train(&options),
        None => compare().map_err(failed),
    };
    match done {
        Ok(said) => {
            // Nothing is lost where nobody reads it.
            let _ = writeln!(std::io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(Failure { code, line }) => {
            eprintln!("{line}");
            ExitCode::from(code)
        }
    }
}

fn compare() -> Result<String, Box<dyn Error>> {
    let device = Device::default();
    let (plain, progressive) = (before::train(&device)?, after::train(&device)?);
    Ok(format!(
        "plain:             {:.1} % right\nprogressive depth: {:.1} % right",
        100.0 * plain,
        100.0 * progressive
    ))
}

/// Help and version as clap shows them, an error in one line.
fn not_parsed(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or("error: bad options");
    eprintln!("{} (see --help)", message.split_whitespace().collect::<Vec<_>>().join(" "));
    ExitCode::from(2)
}
