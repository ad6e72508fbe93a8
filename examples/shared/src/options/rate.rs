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
    #[arg(long, value_enum)]
    pub lr_shape: Option<Shape>,
    /// Steps that the learning rate rises, as a fraction of the run, if it does not stay from the first step
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub warm_up: Option<f64>,
    /// Steps at the end that the learning rate falls, as a fraction of the run, where it stays until it decays
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub decay: Option<f64>,
    /// Learning rate at the end of the run, where it falls
    #[arg(long, value_name = "LR", value_parser = up_to_one)]
    pub min_lr: Option<f64>,
}

/// What the learning rate does over a run.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Cosine,
    WarmupStableDecay,
    Constant,
}

impl RateOptions {
    /// The learning rate of `shape`, with what was given in the place of its parts.
    pub fn over(&self, shape: LrShape) -> Result<LrShape, Failure> {
        let &Self { lr, min_lr, .. } = self;
        if let Some(min_lr) = min_lr.filter(|min_lr| *min_lr > lr) {
            return Err(usage(format!("--min-lr {min_lr} is above --lr {lr}")));
        }
        let mut shape = match (self.lr_shape, shape) {
            (None, shape)
            | (Some(Shape::Cosine), shape @ LrShape::Cosine { .. })
            | (Some(Shape::WarmupStableDecay), shape @ LrShape::WarmupStableDecay { .. }) => shape,
            (Some(Shape::Cosine), _) => LrShape::default(),
            (Some(Shape::WarmupStableDecay), _) => {
                LrShape::WarmupStableDecay { warm_up: 0.025.into(), decay: 0.2, end: 0.0 }
            }
            (Some(Shape::Constant), _) => LrShape::Constant,
        };
        if let Some(warm_up) = self.warm_up {
            shape = shape.with_warm_up(warm_up.into());
        }
        if let (Some(found), LrShape::WarmupStableDecay { decay, .. }) = (self.decay, &mut shape) {
            *decay = found;
        }
        if let (
            Some(min_lr),
            LrShape::Cosine { end, .. } | LrShape::WarmupStableDecay { end, .. },
        ) = (min_lr, &mut shape)
        {
            *end = min_lr / lr;
        }
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
