//! [`Net`] inside burn-train.

use burn::data::dataloader::batcher::Batcher;
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::metric::{Adaptor, LossInput};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

use super::{Net, WIDTH};

pub struct Loss(Tensor<1>);

impl ItemLazy for Loss {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(Self(self.0.without_autodiff()))
    }
}

impl Adaptor<LossInput> for Loss {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.0.clone())
    }
}

impl TrainStep for Net {
    type Input = Tensor<2>;
    type Output = Loss;

    fn step(&self, x: Tensor<2>) -> TrainOutput<Loss> {
        let loss = self.loss(x);
        if let Some(losses) = &self.losses {
            losses.record(loss.clone().into_scalar::<f64>()); // only where a test listens
        }
        TrainOutput::new(self, loss.backward(), Loss(loss.detach()))
    }
}

impl InferenceStep for Net {
    type Input = Tensor<2>;
    type Output = Loss;

    fn step(&self, x: Tensor<2>) -> Loss {
        Loss(self.loss(x))
    }
}

/// The rows of these numbers: `sin` values that follow from the number alone.
#[derive(Clone)]
pub struct Rows;

impl Batcher<usize, Tensor<2>> for Rows {
    fn batch(&self, items: Vec<usize>, device: &Device) -> Tensor<2> {
        let row = |r: &usize| -> [f32; WIDTH] {
            core::array::from_fn(|i| ((r * 31 + i * 7) as f32 * 0.37).sin())
        };
        let flat: Vec<f32> = items.iter().flat_map(row).collect();
        Tensor::<1>::from_floats(flat.as_slice(), device).reshape([items.len(), WIDTH])
    }
}
