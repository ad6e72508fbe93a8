//! [`Apollo`] inside burn-train.

use core::fmt;
use std::sync::Arc;

use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::train::train::WorkerFailure;
use burn::train::{InferenceStep, Interrupter, TrainOutput, TrainStep, TrainingError};

use super::{Apollo, ApolloError, StepInfo};
use crate::depth::DrawPer;
use crate::stack::Growable;

impl<M: Growable> Apollo<M> {
    /// Stops a burn-train run whose growth fails, or whose gradients are not finite with
    /// [`NotFinite::Stop`](super::NotFinite::Stop): the training's interrupter keeps the error as the cause,
    /// and [`growth`](Apollo::growth) of the returned model gives it with its type.
    pub fn with_interrupter(self, interrupter: Interrupter) -> Self {
        Self { interrupter: Some(Stop(interrupter)), ..self }
    }
}

impl<M: Growable + TrainStep> TrainStep for Apollo<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: M::Input) -> TrainOutput<M::Output> {
        let index = self.micro_batches.next(&self.device, self.progress.step);
        self.seed_micro_batch(index);
        if self.plan.config.draw_per == DrawPer::OptimizerStep {
            self.tell(&self.depths);
            return self.model.step(item);
        }
        let depths = self.drawn(index);
        // Every map of the plan was asked for when the run was set up, so a micro-batch's is there.
        match self.training_at(&depths) {
            Ok(model) => {
                self.tell(&depths);
                model.step(item)
            }
            Err(_) => self.model.step(item),
        }
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        let lr = self.learning_rate(lr);
        let bad = self.not_finite([&grads]);
        self.update(optim, bad, |model, optim| model.optimize(optim, lr, grads))
    }

    fn optimize_multi(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: MultiGradientsParams,
    ) -> Self {
        let lr = self.learning_rate(lr);
        let bad = self.not_finite(grads.grads.iter().map(|(grads, _)| grads));
        self.update(optim, bad, |model, optim| model.optimize_multi(optim, lr, grads))
    }
}

impl<M> Apollo<M> {
    fn tell(&self, depths: &[usize]) {
        self.monitor.tell(StepInfo {
            step: self.progress.step,
            stage: self.stage(),
            unique_layers: self.unique_layers(),
            depth: depths.iter().sum(),
        });
    }
}

impl<M: Growable + InferenceStep> InferenceStep for Apollo<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: M::Input) -> M::Output {
        self.model.step(item)
    }
}

/// The handle that stops the run.
#[derive(Clone)]
pub(super) struct Stop(Interrupter);

impl Stop {
    pub(super) fn fail(&self, error: &Arc<ApolloError>) {
        // burn-train's error has no variant for a model's own errors; a worker's failure takes a message.
        let failure = WorkerFailure { device_id: 0, message: error.to_string() };
        self.0.fail(TrainingError::Workers(vec![failure]));
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupter")
    }
}
