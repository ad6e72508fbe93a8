//! Defaults that follow from other options: a published model by name, or a model in a folder.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::ValueEnum;
use clap::parser::ValueSource;

use crate::options::text::Models;
use crate::{Defaults, Failure, hf};

/// A model of the size it was published in, trained as the Apollo paper does it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub positions: usize,
    /// Examples in a micro-batch: what memory allows is a guess. The product with `accumulate` is the paper's.
    pub batch: usize,
    pub accumulate: usize,
    /// AdamW's, which the paper does not state.
    pub beta2: f64,
    pub epsilon: f64,
}

impl Preset {
    /// The values of options. From the paper or the authors' scripts are batch, rate, weight decay, 40 epochs, one cosine
    /// and a depth for every micro-batch; warm-up and the stages are the examples' own defaults already. That the cosine
    /// ends at zero is usual for both models (Radford et al. 2018, section 4.1; BERT's line ends there too), and so are gradients of
    /// norm 1 at most.
    pub fn defaults(&self) -> Defaults {
        vec![
            ("layers", self.layers.to_string()),
            ("width", self.width.to_string()),
            ("heads", self.heads.to_string()),
            ("seq", self.positions.to_string()),
            ("order", "epochs".to_owned()),
            ("dropout", "0.1".to_owned()),
            ("init_std", "0.02".to_owned()),
            ("batch", self.batch.to_string()),
            ("accumulate", self.accumulate.to_string()),
            ("epochs", "40".to_owned()),
            ("lr", "0.0001".to_owned()),
            ("recipe", "apollo".to_owned()),
            ("optimizer", "adamw".to_owned()),
            ("clip", "1".to_owned()),
            ("min_lr", "0".to_owned()),
            ("weight_decay", "0.01".to_owned()),
            ("beta2", self.beta2.to_string()),
            ("epsilon", self.epsilon.to_string()),
            ("draw_per", "micro-batch".to_owned()),
            ("checkpoint_every", "1000".to_owned()),
        ]
    }
}

/// The defaults of a command line with `--preset` or `--init-from`. The sizes of its folder come before those of the preset,
/// and all its layers stay unless the command line says how to grow.
pub fn derived<P: ValueEnum + Send + Sync + 'static>(
    matches: &ArgMatches,
    preset: impl Fn(P) -> Preset,
    models: &Models,
) -> Result<Defaults, Failure> {
    let chosen = matches.try_get_one::<P>("preset").ok().flatten();
    let mut defaults = chosen.map(|name| preset(name.clone()).defaults()).unwrap_or_default();
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if given("steps") {
        defaults.retain(|(option, _)| *option != "epochs");
    }
    if let Some(dir) = matches.try_get_one::<PathBuf>("init_from").ok().flatten() {
        let found = (models.sizes)(&hf::read_fields(dir)?, dir)?;
        defaults.extend([
            ("layers", found.layers.to_string()),
            ("width", found.width.to_string()),
            ("heads", found.heads.to_string()),
            ("seq", found.seq.to_string()),
            ("dropout", found.dropout.to_string()),
        ]);
        if !["recipe", "schedule", "plan"].into_iter().any(given) {
            defaults.push(("from_scratch", "true".to_owned()));
        }
    }
    Ok(defaults)
}
