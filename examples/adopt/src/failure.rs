//! How the program fails: in one line, with an exit code.

use std::error::Error;

/// Why the program ends early.
pub struct Failure {
    pub code: u8,
    pub line: String,
}

/// An option that cannot be used as it was given, or what it names.
pub fn usage(option: &'static str) -> impl Fn(Box<dyn Error>) -> Failure {
    move |error| Failure { code: 2, line: format!("error: {option}: {}", chain(error.as_ref())) }
}

/// The run itself failed.
pub fn failed(error: impl Into<Box<dyn Error>>) -> Failure {
    Failure { code: 1, line: format!("error: {}", chain(error.into().as_ref())) }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
