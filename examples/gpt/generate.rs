//! What a finished run is good for.

use std::path::Path;

use crate::common::text::generate;
use crate::common::text::next_token::model;
use crate::common::text::options::TextConfig;
use crate::common::training::device;
use crate::common::training::run_dir::read_config;
use crate::common::training::run_options::RunConfig;
use crate::common::{Failure, hf, run_error, usage};
use crate::options::Options;

/// Continues `prompt`.
pub fn from_run(options: &Options, prompt: &str) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: RunConfig<TextConfig> = read_config(out)?;
    let vocabulary = config.task.tokens(out)?;
    let model = TextConfig::finished(model(&config.task).init(&device), out)?;
    let prompt = if prompt.is_empty() { "\n" } else { prompt };
    let ids = vocabulary.encode(prompt).map_err(run_error)?;
    if ids.is_empty() {
        return Err(usage(format!("--generate {prompt:?}: no token of this run's vocabulary")));
    }
    println!("{}", generate::text(&model, &vocabulary, ids, &options.sampling(), &device)?);
    Ok(())
}

/// Writes the finished model in Hugging Face's layout.
pub fn export(options: &Options, dir: &Path) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: RunConfig<TextConfig> = read_config(out)?;
    let shape = model(&config.task);
    let model = TextConfig::finished(shape.init(&device), out)?;
    hf::export_gpt2(&shape, &model, dir)?;
    config.task.tokens(out)?.save_in(dir)?;
    println!("written: {}", dir.display());
    Ok(())
}
