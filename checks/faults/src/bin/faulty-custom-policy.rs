//! `custom_policy`, with faults.

use std::process::ExitCode;

use apollo_examples_faults::FaultyTask;

fn main() -> ExitCode {
    apollo_examples::start(&custom_policy::DEFAULTS, |options| {
        custom_policy::compare(&options, FaultyTask)
    })
}
