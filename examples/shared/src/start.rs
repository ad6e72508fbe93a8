//! From the command line to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::failure::Failure;
use crate::options::rules;

/// Values of options that were not given: by the options' names as fields.
pub type Defaults = Vec<(&'static str, String)>;

/// Parses the command line and runs `main`; every error becomes one line on standard error.
///
/// `defaults` gives values to options that every example sets its own way. A command line, file or folder that
/// cannot be used exits with 2, a run that fails later with 1, one that a signal stopped with 128 and its number. Where nobody
/// reads its standard output any more (`| head`), the program ends as others do, with 141.
pub fn start<O: CommandFactory + FromArgMatches>(
    defaults: &[(&'static str, &str)],
    main: impl FnOnce(O) -> Result<(), Failure>,
) -> ExitCode {
    start_with(defaults, |_| Ok(Defaults::new()), main)
}

/// [`start`] with defaults that other options decide: `derived` sees what of the command line can be read, and what it
/// gives counts before `defaults`, also in `--help`.
pub fn start_with<O: CommandFactory + FromArgMatches>(
    defaults: &[(&'static str, &str)],
    derived: impl Fn(&ArgMatches) -> Result<Defaults, Failure>,
    main: impl FnOnce(O) -> Result<(), Failure>,
) -> ExitCode {
    end_with_reader();
    match parse(defaults, derived, std::env::args_os()) {
        Ok(options) => exit_code(main(options)),
        Err(NotParsed::Failure(failure)) => exit_code(Err(failure)),
        Err(NotParsed::Clap(error)) if !error.use_stderr() => {
            // Nothing is lost where nobody reads it to the end.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        Err(NotParsed::Clap(error)) => {
            let text = error.to_string();
            let message = text.split("\n\n").next().unwrap_or("error: bad options");
            let words: Vec<&str> = message.split_whitespace().collect();
            eprintln!("{} (see --help)", words.join(" "));
            ExitCode::from(2)
        }
    }
}

/// Why a command line gives no options.
#[derive(Debug)]
pub enum NotParsed {
    /// It is none, or asks for help.
    Clap(clap::Error),
    /// It cannot be done.
    Failure(Failure),
}

/// The options of a command line, of which the first word is the program.
pub fn parse<O: CommandFactory + FromArgMatches>(
    defaults: &[(&'static str, &str)],
    derived: impl Fn(&ArgMatches) -> Result<Defaults, Failure>,
    line: impl IntoIterator<Item = OsString>,
) -> Result<O, NotParsed> {
    let line: Vec<OsString> = line.into_iter().collect();
    let own: Defaults =
        defaults.iter().map(|(option, value)| (*option, (*value).to_owned())).collect();
    let command = with_defaults(O::command(), own);
    let derived = derived(&first_look(command.clone(), &line)).map_err(NotParsed::Failure)?;
    let mut command = with_defaults(command, derived);
    let matches = command.try_get_matches_from_mut(line).map_err(NotParsed::Clap)?;
    rules::check(&command, &matches).map_err(NotParsed::Failure)?;
    O::from_arg_matches(&matches).map_err(NotParsed::Clap)
}

fn with_defaults(command: Command, defaults: Defaults) -> Command {
    defaults.into_iter().fold(command, |command, (option, value)| {
        command.mut_arg(option, |arg| arg.default_value(value).required(false))
    })
}

/// The command line as far as it can be read; a request for help is an option like others.
fn first_look(command: Command, line: &[OsString]) -> ArgMatches {
    let help = Arg::new("help").long("help").short('h').action(ArgAction::SetTrue);
    let command = command.disable_help_flag(true).disable_version_flag(true).arg(help);
    command.ignore_errors(true).get_matches_from(line)
}

/// Ends the process without a word where a line cannot be printed because nobody reads: Rust ignores the signal that ends
/// other programs there, and panics.
fn end_with_reader() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(128 + 13);
        }
        hook(panic);
    }));
}

fn exit_code(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    let (code, line) = match &failure {
        Failure::Signal(signal, _) => (signal.exit_code, failure.to_string()),
        Failure::Usage(message) => (2, format!("error: {message}")),
        Failure::Run(message) => (1, format!("error: {message}")),
    };
    eprintln!("{line}");
    ExitCode::from(code)
}
