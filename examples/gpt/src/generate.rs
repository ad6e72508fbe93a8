//! What a finished run is good for.

use std::path::Path;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::generate;
use apollo_examples::text::next_token::model;
use apollo_examples::{Failure, device, finished, hf, run_error, usage};
use burn_apollo_lab::folder::read_config;
use burn_apollo_lab::{RunConfig, printable};

use crate::options::Options;

/// Continues `prompt`.
pub fn from_run(options: &Options, prompt: &str) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: RunConfig<TextConfig> = read_config(out)?;
    let vocabulary = config.task.tokens(out)?;
    let model = finished(model(&config.task).init(&device), out)?;
    let prompt = if prompt.is_empty() { "\n" } else { prompt };
    let ids = vocabulary.encode(prompt).map_err(run_error)?;
    if ids.is_empty() {
        return Err(usage(format!("--generate {prompt:?}: no token of this run's vocabulary")));
    }
    let text =
        generate::text(&model, &vocabulary, ids, &options.sampling(options.run.seed), &device)?;
    println!("{}", printable(&text));
    Ok(())
}

/// Writes the finished model in Hugging Face's layout.
pub fn export(options: &Options, dir: &Path) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: RunConfig<TextConfig> = read_config(out)?;
    let shape = model(&config.task);
    let model = finished(shape.init(&device), out)?;
    hf::export_gpt2(&shape, &model, dir)?;
    config.task.tokens(out)?.save_in(dir)?;
    println!("written: {}", dir.display());
    Ok(())
}
