//! Grows a BERT that fills masked bytes or sub-words of a text, on the CPU in a few minutes.
//!
//! ```text
//! cargo run --example bert
//! cargo run --example bert -- --vocabulary 2048 --out runs/sub-words
//! ```

#[path = "../common/mod.rs"]
mod common;
mod masking;
mod options;
mod preset;
mod task;

use std::process::ExitCode;

use common::text::corpus::vocabulary::MASK;
use common::text::options::TextConfig;
use common::training::train;
use options::Options;
use task::MaskedTokens;

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
        if options.text.prepared(&options.run, &[MASK])? {
            return Ok(());
        }
        let (config, text) = options.text.config(&options.run, &options.plan, &[MASK])?;
        let (task, same) = (MaskedTokens::new(&config, text), config.clone());
        train::run(task, &options.run, config, |other| TextConfig::same_run(&same, other))
    })
}
