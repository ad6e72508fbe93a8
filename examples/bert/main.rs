//! Grows a BERT that fills masked bytes of a text, on the CPU in a few minutes.
//!
//! ```text
//! cargo run --example bert
//! ```

#[path = "../common/mod.rs"]
mod common;
mod masking;
mod options;
mod preset;
mod task;

use std::process::ExitCode;

use common::text_options::TextConfig;
use common::train;
use options::Options;
use task::MaskedBytes;

fn main() -> ExitCode {
    let defaults = [
        ("out", "runs/bert"),
        ("layers", "4"),
        ("width", "64"),
        ("seq", "32"),
        ("batch", "32"),
        ("steps", "2400"),
        ("lr", "0.003"),
        ("checkpoint_every", "200"),
    ];
    common::start_with(&defaults, options::derived, |options: Options| {
        if let Some(dir) = &options.text.export {
            return task::export(&options.run, dir);
        }
        let (config, text) = options.text.config(&options.run)?;
        let (task, same) = (MaskedBytes::new(&config, text), config.clone());
        train::run(task, &options.run, config, |other| TextConfig::same_run(&same, other))
    })
}
