//! The learning rate of the examples.

use burn_apollo::schedule::LrShape;
use clap::{Args, ValueEnum};

use crate::options::run::positive_up_to_one;
use crate::{Failure, usage};

/// The learning rate over a run.
#[derive(Args, Debug, Clone)]
pub struct RateOptions {
    /// Highest learning rate
    #[arg(long, value_parser = positive_up_to_one)]
    pub lr: f64,
    /// What the learning rate does after the warm-up: falls by one cosine, stays until it decays, or stays
    #[arg(long, value_enum, default_value_t)]
    pub lr_shape: Shape,
    /// Steps that the learning rate rises, as a fraction of the run
    #[arg(long, value_name = "FRACTION", default_value_t = 0.025, value_parser = fraction)]
    pub warm_up: f64,
    /// Steps at the end that the learning rate falls, as a fraction of the run, with --lr-shape warmup-stable-decay
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2, value_parser = fraction)]
    pub decay: f64,
    /// Learning rate at the end of the run; if not given, a tenth of --lr after a cosine, 0 after a decay
    #[arg(long, value_name = "LR", value_parser = up_to_one)]
    pub min_lr: Option<f64>,
}

/// What the learning rate does over a run.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    #[default]
    Cosine,
    WarmupStableDecay,
    Constant,
}

impl RateOptions {
    pub fn shape(&self) -> Result<LrShape, Failure> {
        let &Self { lr, decay, min_lr, .. } = self;
        let warm_up = self.warm_up.into();
        if let Some(min_lr) = min_lr.filter(|min_lr| *min_lr > lr) {
            return Err(usage(format!("--min-lr {min_lr} is above --lr {lr}")));
        }
        let end = |default: f64| min_lr.map_or(default, |min_lr| min_lr / lr);
        let shape = match self.lr_shape {
            Shape::Cosine => LrShape::Cosine { warm_up, end: end(0.1) },
            Shape::WarmupStableDecay => {
                LrShape::WarmupStableDecay { warm_up, decay, end: end(0.0) }
            }
            Shape::Constant => LrShape::Constant,
        };
        shape.check().map_err(usage)?;
        Ok(shape)
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..1.0).contains(&x) => Ok(x),
        _ => Err("must be a number from 0 to below 1".to_owned()),
    }
}

fn up_to_one(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=1.0).contains(&x) => Ok(x),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
