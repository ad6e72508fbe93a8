//! The optimizer of the examples.

use burn_apollo_lab::{OptimConfig, OptimizerKind};
use clap::{Args, ValueEnum};

/// The optimizer.
#[derive(Args, Debug, Clone)]
pub struct OptimOptions {
    /// AdamW for all parameters, or Muon for the weight matrices of the layers and AdamW for the rest
    #[arg(long, value_enum, default_value_t)]
    pub optimizer: Optimizer,
    /// Greatest norm of a step's gradients, all parameters together; longer ones are shortened to it. None with inf
    #[arg(long, value_name = "NORM", default_value = "inf", value_parser = norm)]
    pub clip: f64,
    /// Weight decay, on every parameter
    #[arg(long, default_value_t = OptimConfig::default().weight_decay, value_parser = up_to_one)]
    pub weight_decay: f64,
    /// Decay of AdamW's mean of squared gradients
    #[arg(long, default_value_t = OptimConfig::default().beta2, value_parser = decay)]
    pub beta2: f64,
    /// What AdamW adds to the root of that mean
    #[arg(long, default_value_t = OptimConfig::default().epsilon, value_parser = above_zero)]
    pub epsilon: f64,
}

/// Which optimizer.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Optimizer {
    #[default]
    #[value(name = "adamw")]
    AdamW,
    Muon,
}

impl From<Optimizer> for OptimizerKind {
    fn from(optimizer: Optimizer) -> Self {
        match optimizer {
            Optimizer::AdamW => Self::AdamW,
            Optimizer::Muon => Self::Muon,
        }
    }
}

impl From<&OptimOptions> for OptimConfig {
    fn from(options: &OptimOptions) -> Self {
        let &OptimOptions { optimizer, clip, weight_decay, beta2, epsilon } = options;
        let clip = Some(clip).filter(|clip| clip.is_finite());
        Self { kind: optimizer.into(), weight_decay, beta2, epsilon, clip }
    }
}

/// Below 1 in 32 bits too, in which AdamW computes.
fn decay(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x >= 0.0 && (x as f32) < 1.0 => Ok(x),
        _ => Err("must be a number from 0 to below 1 in 32 bits".to_owned()),
    }
}

/// Above 0 in 32 bits too.
fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x <= 1.0 && (x as f32) > 0.0 => Ok(x),
        _ => Err("must be a number above 0 in 32 bits and at most 1".to_owned()),
    }
}

/// A norm of gradients, `inf` for any.
pub fn norm(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 => Ok(x),
        _ => Err("must be a number above 0, or inf".to_owned()),
    }
}

fn up_to_one(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=1.0).contains(&x) => Ok(x),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
