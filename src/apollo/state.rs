//! Where a run stands.

use super::Apollo;
#[cfg(feature = "train")]
use super::StepLog;
use crate::depth::DepthPmf;

impl<M> Apollo<M> {
    /// The model, at the depth of the next step.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Optimizer steps done so far.
    pub fn step_count(&self) -> u64 {
        self.progress.step
    }

    /// Optimizer steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.plan.timeline.steps()
    }

    /// The current stage, from 0.
    pub fn stage(&self) -> usize {
        self.progress.stage()
    }

    /// The number of stages.
    pub fn stages(&self) -> usize {
        self.plan.timeline.stages()
    }

    /// Unique layers now, over all stacks.
    pub fn unique_layers(&self) -> usize {
        self.plan.timeline.layers(self.stage()).iter().sum()
    }

    /// Unique layers of each stack in `stage`; the last stage's beyond it.
    pub fn layers_of_stage(&self, stage: usize) -> &[usize] {
        self.plan.timeline.layers(stage)
    }

    /// Virtual depth of the next step, over all stacks.
    pub fn depth(&self) -> usize {
        self.depths.iter().sum()
    }

    /// Virtual depth of the next step, stack by stack.
    pub fn depths(&self) -> &[usize] {
        &self.depths
    }

    /// The distributions that the current stage draws depths from, stack by stack.
    pub fn pmfs(&self) -> &[DepthPmf] {
        &self.pmfs
    }

    /// The optimizer steps before which the model grew.
    pub fn growth_steps(&self) -> &[u64] {
        &self.progress.growths
    }

    /// The stages that began at [`growth_steps`](Self::growth_steps): a policy or
    /// [`grow_now`](Self::grow_now) may skip some.
    pub fn growth_stages(&self) -> impl Iterator<Item = usize> + '_ {
        self.progress.made.iter().map(|made| made.stage)
    }

    /// The factor that the plan puts on the learning rate of the next step.
    pub fn lr_factor(&self) -> f64 {
        self.plan.config.lr_at_growth.factor(self.progress.step, &self.progress.growths)
    }

    #[cfg(feature = "train")]
    /// A log of the depths that training steps run at from now on, as for the metrics.
    pub fn step_log(&self) -> StepLog {
        self.monitor.subscribe()
    }
}
