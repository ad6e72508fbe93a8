//! [`Net`] inside burn-train.

use std::sync::{Arc, Mutex};

use burn::data::dataloader::batcher::Batcher;
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::metric::{Adaptor, LossInput};
use burn::train::{
    InferenceStep, ItemLazy, LearningResult, SupervisedTraining, TrainOutput, TrainStep,
};
use burn_apollo::train::Trainable;
use burn_apollo::{Apollo, apollo::GrowthReport};

use super::{Net, WIDTH};

/// What burn-train trains.
pub type Model = Trainable<Net>;

/// The run for a training of its own.
pub fn model(apollo: Apollo<Net>, training: &SupervisedTraining<Model>) -> Model {
    Trainable::new(apollo, training.interrupter())
}

/// The run at the end of a training that went well.
pub fn trained(result: LearningResult<Model>) -> Apollo<Net> {
    assert!(result.error.is_none(), "{:?}", result.error);
    result.model.into_apollo().unwrap()
}

/// The reports of all growths.
#[derive(Clone, Default)]
pub struct Growths(Arc<Mutex<Vec<GrowthReport>>>);

impl Growths {
    pub fn observed(&self, model: Model) -> Model {
        let seen = self.0.clone();
        model.on_growth(move |report| seen.lock().unwrap().push(report.clone()))
    }

    pub fn steps(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|report| report.step).collect()
    }
}

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
        self.ran.push(&self.blocks);
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
