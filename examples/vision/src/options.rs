use std::path::PathBuf;

use apollo_examples::models::transformer::{OUTPUT_PROJECTIONS, Shape};
use apollo_examples::options::plan::{PlanOptions, probability};
use apollo_examples::options::run::RunOptions;
use apollo_examples::{Failure, data_file, usage};
use burn_apollo_lab::RunConfig;
use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::data::{Images, SIDE};
use crate::model::VitConfig;

/// Images of digits.
pub const DATA: &str = "data/digits.csv";

/// What options are that are not given.
pub const DEFAULTS: [(&str, &str); 5] =
    [("data", DATA), ("out", "runs/vision"), ("steps", "600"), ("batch", "128"), ("lr", "0.003")];

/// The configuration of a run.
pub type Config = RunConfig<DigitsConfig>;

/// Trains a vision transformer by progressive depth, then shows digits and what it takes them for.
#[derive(Parser, Debug)]
#[command(name = "vision", version, args_override_self = true)]
pub struct Options {
    /// Images to learn, a row each: 64 pixels from 0 to 16, then the digit; the last third is kept for validation
    #[arg(long, value_name = "FILE", value_parser = data_file)]
    pub data: PathBuf,
    /// Layers of the full model
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub layers: u32,
    /// Width of the residual stream
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub width: u32,
    /// Attention heads; must divide the width
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub heads: u32,
    /// Side of a patch in pixels; must divide 8
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub patch: u32,
    /// Shift every training image at random by up to so many pixels in each direction
    #[arg(long, value_name = "PIXELS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=4))]
    pub shift: u32,
    /// Probability of dropout while training
    #[arg(long, default_value_t = 0.1, value_parser = probability)]
    pub dropout: f64,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(flatten)]
    pub plan: PlanOptions,
}

/// The images and the model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigitsConfig {
    pub data: PathBuf,
    /// CRC-32 of the images and their digits.
    pub data_checksum: u32,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub patch: usize,
    pub shift: usize,
    pub dropout: f64,
}

impl DigitsConfig {
    /// Whether two runs are the same; the same images may lie elsewhere.
    pub fn same_run(one: &Config, other: &Config) -> bool {
        let mut other = other.clone();
        other.task.data.clone_from(&one.task.data);
        *one == other
    }

    pub fn model(&self) -> VitConfig {
        let Self { layers, width, heads, patch, dropout, .. } = *self;
        VitConfig { layers, patch, shape: Shape { width, heads, branches: 2 * layers, dropout } }
    }
}

impl Options {
    pub fn config(&self) -> Result<(Config, Images), Failure> {
        Shape::check(self.width, self.heads)?;
        if !SIDE.is_multiple_of(self.patch as usize) {
            return Err(usage(format!("--patch {} must divide {SIDE}", self.patch)));
        }
        let images = Images::read(&self.data)?;
        let task = DigitsConfig {
            data: self.data.clone(),
            data_checksum: images.checksum(),
            layers: self.layers as usize,
            width: self.width as usize,
            heads: self.heads as usize,
            patch: self.patch as usize,
            shift: self.shift as usize,
            dropout: self.dropout,
        };
        let targets = [task.layers];
        let plan = self.plan.plan(&self.run, &targets, &OUTPUT_PROJECTIONS)?;
        Ok((self.run.config(task, plan), images))
    }
}
