use apollo_examples::Failure;
use apollo_examples::models::transformer::{OUTPUT_PROJECTIONS, Shape};
use apollo_examples::options::plan::{PlanOptions, probability};
use apollo_examples::options::run::RunOptions;
use burn_apollo_lab::RunConfig;
use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::model::Seq2SeqConfig;

/// The configuration of a run.
pub type Config = RunConfig<SortingConfig>;

/// Trains an encoder and a decoder by progressive depth to sort letters, then sorts some that they have not seen.
#[derive(Parser, Debug)]
#[command(name = "seq2seq", version, args_override_self = true)]
pub struct Options {
    /// Layers of the full encoder; stages of a --schedule list them first
    #[arg(long, value_name = "LAYERS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub encoder_layers: u32,
    /// Layers of the full decoder
    #[arg(long, value_name = "LAYERS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub decoder_layers: u32,
    /// Width of the residual streams
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub width: u32,
    /// Attention heads; must divide the width
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub heads: u32,
    /// Most letters of a problem; the fewest are half of it
    #[arg(long, value_name = "LETTERS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1024))]
    pub length: u32,
    /// Probability of dropout while training
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    pub dropout: f64,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Sort these letters with the finished run in the output folder, and train nothing
    #[arg(long, value_name = "LETTERS")]
    pub sort: Option<String>,
}

/// The problems and the model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SortingConfig {
    pub encoder_layers: usize,
    pub decoder_layers: usize,
    pub width: usize,
    pub heads: usize,
    pub length: usize,
    pub dropout: f64,
}

impl SortingConfig {
    pub fn model(&self) -> Seq2SeqConfig {
        let Self { encoder_layers, decoder_layers, width, heads, length, dropout } = *self;
        let branches = (2 * encoder_layers).max(3 * decoder_layers);
        let shape = Shape { width, heads, branches, dropout };
        Seq2SeqConfig { encoder_layers, decoder_layers, length, shape }
    }
}

impl Options {
    pub fn config(&self) -> Result<Config, Failure> {
        Shape::check(self.width, self.heads)?;
        let task = SortingConfig {
            encoder_layers: self.encoder_layers as usize,
            decoder_layers: self.decoder_layers as usize,
            width: self.width as usize,
            heads: self.heads as usize,
            length: self.length as usize,
            dropout: self.dropout,
        };
        let targets = [task.encoder_layers, task.decoder_layers];
        let plan = self.plan.plan(&self.run, &targets, &OUTPUT_PROJECTIONS)?;
        Ok(self.run.config(task, plan))
    }
}
