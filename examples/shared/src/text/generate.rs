//! Text that a GPT writes.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::models::gpt::Gpt;
use crate::text::corpus::Vocabulary;
use crate::{Failure, run_error};

/// How text is sampled.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// Tokens.
    pub length: u32,
    pub temperature: f64,
    pub seed: u64,
}

/// The text of `ids`, of which there is at least one, and its continuation.
pub fn text(
    model: &Gpt,
    vocabulary: &Vocabulary,
    mut ids: Vec<u32>,
    how: &Sampling,
    device: &Device,
) -> Result<String, Failure> {
    let positions = model.wpe.weight.dims()[0];
    let mut rng = ChaCha8Rng::seed_from_u64(how.seed);
    for _ in 0..how.length {
        let context = &ids[ids.len().saturating_sub(positions)..];
        let context: Vec<i32> = context.iter().map(|id| *id as i32).collect();
        let (last, dims) = (context.len() - 1, [1, context.len()]);
        let context = Tensor::<2, Int>::from_data(TensorData::new(context, dims), device);
        let logits = model.forward(context).narrow(0, last, 1);
        let logits: Vec<f64> = logits.try_into_data().map_err(run_error)?.iter::<f64>().collect();
        ids.push(sample(&logits, how.temperature, rng.random()));
    }
    vocabulary.decode(&ids).map_err(run_error)
}

/// The token at `u` of the cumulative distribution of `logits` at `temperature`.
fn sample(logits: &[f64], temperature: f64, u: f64) -> u32 {
    let (likeliest, top) = logits
        .iter()
        .copied()
        .enumerate()
        .fold((0, f64::MIN), |a, b| if b.1 > a.1 { b } else { a });
    if temperature == 0.0 {
        return likeliest as u32;
    }
    let weights: Vec<f64> = logits.iter().map(|l| ((l - top) / temperature).exp()).collect();
    let mut left = u * weights.iter().sum::<f64>();
    for (id, weight) in (0..).zip(&weights) {
        left -= weight;
        if left < 0.0 {
            return id;
        }
    }
    likeliest as u32
}
