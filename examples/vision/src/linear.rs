//! The best linear model: multinomial logistic regression, fitted until its gradient vanishes.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_apollo_lab::{LabError, Result};

use crate::data::{Batch, CLASSES, Image, PIXELS};

/// Weights of the penalty `λ/2 · ‖W‖²` beside the mean cross-entropy, from much to little.
const PENALTIES: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];
/// A fit has converged when no component of the gradient is larger.
const TOLERANCE: f64 = 1e-4;
const MOST_STEPS: usize = 20_000;

/// The share of `validation` that the best of the linear models fitted on `training` has right: the best over
/// the penalties, chosen on `validation` itself, so that no choice among them can be better there.
pub fn best_accuracy(training: &[Image], validation: &[Image], device: &Device) -> Result<f64> {
    let (training, validation) = (Batch::new(training, device), Batch::new(validation, device));
    let problem = Problem::new(&training);
    let mut weights = Tensor::zeros([PIXELS + 1, CLASSES], device);
    let mut best = 0.0_f64;
    for penalty in PENALTIES {
        weights = problem.fit(weights, penalty)?;
        let found = with_one(validation.pixels.clone()).matmul(weights.clone()).argmax(1);
        let right = found.squeeze_dim::<1>(1).equal(validation.digits.clone()).float().mean();
        best = best.max(right.try_into_scalar::<f64>()?);
    }
    Ok(best)
}

/// Images with a constant input `[images, pixels + 1]` and their digits as `[images, classes]`.
struct Problem {
    inputs: Tensor<2>,
    digits: Tensor<2>,
    /// 1 for the weights, 0 for the biases, which the penalty leaves alone.
    penalised: Tensor<2>,
}

impl Problem {
    fn new(batch: &Batch) -> Self {
        let device = batch.pixels.device();
        let weights = Tensor::ones([PIXELS, CLASSES], &device);
        Self {
            inputs: with_one(batch.pixels.clone()),
            digits: batch.digits.clone().one_hot::<2>(CLASSES).float(),
            penalised: Tensor::cat(vec![weights, Tensor::zeros([1, CLASSES], &device)], 0),
        }
    }

    fn gradient(&self, weights: Tensor<2>, penalty: f64) -> Tensor<2> {
        let images = self.inputs.dims()[0] as f64;
        let errors = softmax(self.inputs.clone().matmul(weights.clone()), 1) - self.digits.clone();
        let gradient = self.inputs.clone().transpose().matmul(errors).div_scalar(images);
        gradient + weights.mul(self.penalised.clone()).mul_scalar(penalty)
    }

    /// The minimum, by Nesterov's accelerated gradient; momentum begins anew where it points uphill
    /// (O'Donoghue and Candès 2015, arXiv 1204.3982).
    fn fit(&self, start: Tensor<2>, penalty: f64) -> Result<Tensor<2>> {
        // The curvature of the cross-entropy is at most half the largest mean square of an input.
        let square = self.inputs.clone().powi_scalar(2).sum_dim(1).max();
        let curvature = 0.5 * square.try_into_scalar::<f64>()? + penalty;
        let (mut weights, mut ahead, mut momentum) = (start.clone(), start, 1.0_f64);
        for step in 0..MOST_STEPS {
            let gradient = self.gradient(ahead.clone(), penalty);
            let next = ahead.clone() - gradient.clone().div_scalar(curvature);
            let moved = next.clone() - weights;
            if step % 50 == 0 {
                let largest = gradient.clone().abs().max();
                if largest.try_into_scalar::<f64>()? < TOLERANCE {
                    return Ok(next);
                }
            }
            let uphill = (gradient * moved.clone()).sum();
            if uphill.try_into_scalar::<f64>()? > 0.0 {
                momentum = 1.0;
            }
            let faster = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
            ahead = next.clone() + moved.mul_scalar((momentum - 1.0) / faster);
            (weights, momentum) = (next, faster);
        }
        Err(LabError::failed(format!(
            "the linear model has not converged after {MOST_STEPS} steps"
        )))
    }
}

fn with_one(pixels: Tensor<2>) -> Tensor<2> {
    let ones = Tensor::ones([pixels.dims()[0], 1], &pixels.device());
    Tensor::cat(vec![pixels, ones], 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pixel: u8, digit: u8) -> Image {
        Image { pixels: [pixel; PIXELS], digit }
    }

    #[test]
    fn without_ink_the_chances_are_the_frequencies() {
        let (device, images) = (Device::flex(), [0, 0, 0, 7].map(|digit| image(0, digit)));
        let problem = Problem::new(&Batch::new(&images, &device));
        let weights = problem.fit(Tensor::zeros([PIXELS + 1, CLASSES], &device), 1e-3).unwrap();
        let chances: Vec<f64> =
            softmax(weights.narrow(0, PIXELS, 1), 1).into_data().iter::<f64>().collect();
        for (digit, chance) in chances.iter().enumerate() {
            let expected = [(0, 0.75), (7, 0.25)].iter().find(|(d, _)| *d == digit);
            let expected = expected.map_or(0.0, |(_, share)| *share);
            assert!((chance - expected).abs() < 2.0 * TOLERANCE, "{digit}: {chance}");
        }
    }

    #[test]
    fn what_a_line_separates_is_separated() {
        let device = Device::flex();
        let training = [image(2, 1), image(14, 8)];
        let validation = [image(4, 1), image(12, 8), image(15, 8), image(1, 8)];
        assert_eq!(best_accuracy(&training, &validation, &device).unwrap(), 0.75);
    }
}
