//! The models that the benches measure.

use apollo_examples::models::gpt::{Gpt, GptConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_apollo::cost::ModelCost;
use burn_apollo::schedule::Schedule;
use burn_apollo::{Apollo, Plan, apollo::StepReport};

const VOCABULARY: usize = 256;

/// A GPT on bytes, and the batch of a step.
#[derive(Clone, Copy)]
pub struct Size {
    pub layers: usize,
    pub width: usize,
    pub windows: usize,
    pub context: usize,
}

impl Size {
    /// The model of the examples' default run.
    pub const TINY: Self = Self { layers: 12, width: 32, windows: 8, context: 64 };
    pub const MIDDLE: Self = Self { layers: 12, width: 128, windows: 8, context: 64 };

    pub fn with_layers(self, layers: usize) -> Self {
        Self { layers, ..self }
    }

    pub fn model(self, device: &Device) -> Gpt {
        GptConfig {
            vocabulary: VOCABULARY,
            positions: self.context,
            width: self.width,
            heads: self.width.div_ceil(64).max(2),
            layers: self.layers,
            embedding_std: 0.1,
            linear_std: 0.05,
            dropout: 0.0,
        }
        .init(device)
    }

    pub fn apollo(self, plan: Plan, device: &Device) -> Apollo<Gpt> {
        Apollo::new(self.model(device), plan).expect("the plan fits the model")
    }

    pub fn batch(self, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
        let ids = |shift: usize| {
            let ids: Vec<i32> =
                (0..self.tokens()).map(|i| ((i * 7 + shift) % 251) as i32).collect();
            Tensor::from_data(TensorData::new(ids, [self.windows, self.context]), device)
        };
        (ids(0), ids(7))
    }

    pub fn tokens(self) -> usize {
        self.windows * self.context
    }

    pub fn cost(self) -> ModelCost {
        ModelCost::transformer(self.width, 4 * self.width, self.context, VOCABULARY)
    }

    /// A step of training, from the batch to the update.
    pub fn step(
        self,
        apollo: &mut Apollo<Gpt>,
        optim: &mut ModuleOptimizer,
        device: &Device,
    ) -> StepReport {
        let (inputs, targets) = self.batch(device);
        let loss = apollo.model().loss(inputs, targets);
        let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
        apollo.update(optim, 1e-4, grads).expect("the step has memory")
    }
}

/// Stages of which the first, with so many layers, outlasts what is measured.
pub fn stages(first: usize, layers: usize) -> Schedule {
    match first == layers {
        true => Schedule::from_scratch(&[layers]),
        false => Schedule::one_hop(&[first], &[layers], 0.9),
    }
}

pub fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}
