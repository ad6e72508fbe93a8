//! [`Gpt`] as a model that burn-train can train and validate.

use burn::tensor::{ExecutionError, Tensor};
use burn::train::metric::{Adaptor, LossInput};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

use super::gpt::Gpt;
use crate::text::corpus::Batch;

/// The loss of a step, in nats per token, `[1]`.
pub struct LossOutput {
    pub loss: Tensor<1>,
}

impl ItemLazy for LossOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(Self { loss: self.loss.without_autodiff() })
    }
}

impl Adaptor<LossInput> for LossOutput {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.loss.clone())
    }
}

impl TrainStep for Gpt {
    type Input = Batch;
    type Output = LossOutput;

    fn step(&self, batch: Batch) -> TrainOutput<LossOutput> {
        let loss = self.loss(batch.inputs, batch.targets);
        TrainOutput::new(self, loss.backward(), LossOutput { loss: loss.detach() })
    }
}

impl InferenceStep for Gpt {
    type Input = Batch;
    type Output = LossOutput;

    fn step(&self, batch: Batch) -> LossOutput {
        LossOutput { loss: self.loss(batch.inputs, batch.targets) }
    }
}
