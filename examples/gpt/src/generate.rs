//! What a finished run is good for.

use std::path::Path;

use apollo_examples::options::run::RunOptions;
use apollo_examples::options::text::{TextConfig, TextProgram};
use apollo_examples::text::corpus::TOKENIZER;
use apollo_examples::text::corpus::vocabulary::no_tokenizer;
use apollo_examples::text::generate;
use apollo_examples::text::next_token::model;
use apollo_examples::{Failure, device, finished, hf, usage};
use burn_apollo_lab::printable;

use crate::options::{MODELS, Options};

/// Continues `prompt`.
pub fn from_run(options: &Options, prompt: &str) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let (config, vocabulary) = TextConfig::of_run(out, &MODELS)?;
    let model = finished(model(&config.task).init(&device), out)?;
    let prompt = if prompt.is_empty() { "\n" } else { prompt };
    let ids = vocabulary.encode(prompt).map_err(|e| no_tokenizer(&out.join(TOKENIZER), &e))?;
    if ids.is_empty() {
        return Err(usage(format!("--generate {prompt:?}: no token of this run's vocabulary")));
    }
    let text =
        generate::text(&model, &vocabulary, ids, &options.sampling(options.run.seed), &device)?;
    println!("{}", printable(&text));
    Ok(())
}

/// Writes the finished model in Hugging Face's layout.
pub fn export(run: &RunOptions, dir: &Path) -> Result<(), Failure> {
    let device = device::by_name(&run.device)?;
    TextProgram::export(run, dir, &MODELS, |config, _, to| {
        let shape = model(config);
        hf::export_gpt2(&shape, &finished(shape.init(&device), &run.out)?, to)
    })
}
