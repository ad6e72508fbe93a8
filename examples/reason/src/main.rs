//! The program; `lib.rs` says what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    apollo_examples::start(&reason::DEFAULTS, reason::run)
}
