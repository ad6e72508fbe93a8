//! Grows a GPT on text: 3 → 12 layers, on the CPU in a minute.
//!
//! ```text
//! cargo run -p gpt
//! cargo run -p gpt -- --generate "ROMEO:"
//! cargo run -p gpt -- --vocabulary 2048 --out runs/sub-words
//! cargo run -p gpt --features cuda -- --device cuda --preset gpt2 --data TEXT --vocabulary 50257
//! ```

mod generate;
mod options;
mod preset;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{Failure, conclude, train};
use burn_apollo_lab::Training;

pub use options::{DEFAULTS, MODELS, Options, derived};
pub use preset::Published;

/// Does what the options ask for.
pub fn run(options: Options) -> Result<(), Failure> {
    match (&options.generate, &options.text.export) {
        (Some(prompt), _) => generate::from_run(&options, prompt),
        (None, Some(dir)) => generate::export(&options.run, dir),
        (None, None) if options.text.prepared(&options.run, &MODELS)? => Ok(()),
        (None, None) => {
            let (config, text) = options.text.config(&options.run, &options.plan, &MODELS)?;
            let task = NextToken::new(&config, text, options.sampling(config.plan.seed));
            let training = Training::new(task, config).same_run(TextConfig::same_run);
            conclude(train(training, &options.run)?)
        }
    }
}
