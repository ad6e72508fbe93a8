//! The optimizer of the examples: AdamW.

use burn_apollo_lab::OptimConfig;
use clap::Args;

/// AdamW, and where the learning rate ends.
#[derive(Args, Debug, Clone)]
pub struct OptimOptions {
    /// Weight decay of AdamW, on every parameter
    #[arg(long, default_value_t = OptimConfig::default().weight_decay, value_parser = up_to_one)]
    pub weight_decay: f64,
    /// Decay of AdamW's mean of squared gradients
    #[arg(long, default_value_t = OptimConfig::default().beta2, value_parser = decay)]
    pub beta2: f64,
    /// What AdamW adds to the root of that mean
    #[arg(long, default_value_t = OptimConfig::default().epsilon, value_parser = above_zero)]
    pub epsilon: f64,
    /// Learning rate at the end of the run; a tenth of --lr if not given
    #[arg(long, value_name = "LR", value_parser = up_to_one)]
    pub min_lr: Option<f64>,
}

impl From<&OptimOptions> for OptimConfig {
    fn from(options: &OptimOptions) -> Self {
        let &OptimOptions { weight_decay, beta2, epsilon, min_lr } = options;
        Self { weight_decay, beta2, epsilon, min_lr }
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

fn up_to_one(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=1.0).contains(&x) => Ok(x),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
