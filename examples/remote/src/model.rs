//! The model as one of several devices trains it.

use apollo_examples::models::LossOutput;
use apollo_examples::models::gpt::Gpt;
use apollo_examples::text::corpus::Batch;
use burn::module::Module;
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use burn_apollo::growable;

/// A GPT whose loss is the device's share of the mean over all devices: burn-train adds up the gradients of several devices, so
/// they come to the gradients of one device with all rows.
#[derive(Module, Debug)]
pub struct Share {
    pub gpt: Gpt,
    #[module(skip)]
    pub devices: usize,
}

growable!(Share { gpt.h });

impl TrainStep for Share {
    type Input = Batch;
    type Output = LossOutput;

    fn step(&self, batch: Batch) -> TrainOutput<LossOutput> {
        let loss = self.gpt.loss(batch.inputs, batch.targets);
        let share = loss.clone().div_scalar(self.devices as f64);
        TrainOutput::new(self, share.backward(), LossOutput { loss: loss.detach() })
    }
}

impl InferenceStep for Share {
    type Input = Batch;
    type Output = LossOutput;

    fn step(&self, batch: Batch) -> LossOutput {
        InferenceStep::step(&self.gpt, batch)
    }
}
