//! Grows a BERT that fills masked bytes or sub-words of a text, on the CPU in a few minutes.
//!
//! ```text
//! cargo run -p bert
//! cargo run -p bert -- --vocabulary 2048 --out runs/sub-words
//! ```

mod masking;
mod options;
mod preset;
mod task;

use apollo_examples::options::text::TextConfig;
use apollo_examples::{Failure, conclude, train};
use burn_apollo_lab::Training;

pub use options::{DEFAULTS, MODELS, Options, derived};
pub use preset::Published;
pub use task::MaskedTokens;

/// Does what the options ask for.
pub fn run(options: Options) -> Result<(), Failure> {
    if let Some(dir) = &options.text.export {
        return task::export(&options.run, dir);
    }
    if options.text.prepared(&options.run, &MODELS)? {
        return Ok(());
    }
    let (config, text) = options.text.config(&options.run, &options.plan, &MODELS)?;
    let task = MaskedTokens::new(&config, text);
    let training = Training::new(task, config).same_run(TextConfig::same_run);
    conclude(train(training, &options.run)?)
}
