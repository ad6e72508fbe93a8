//! The depths at which a model runs: drawn for training steps, chosen for inference.

use super::fitted::FittedPlan;
use super::{Apollo, ApolloError, InferenceDepth};
use crate::depth::{DrawPer, draw};
use crate::generator;
use crate::stack::{Growable, stacks_mut};
use crate::wire::mix;

/// Seeds what is drawn between two steps: by a data loader, say.
const NEXT_STEP: u64 = 0;

impl<M: Growable> Apollo<M> {
    /// Prepares the distributions and depths of the stage that has just begun.
    pub(super) fn begin_stage(&mut self) -> Result<(), ApolloError> {
        self.groups_checked = false;
        self.set_pmfs()?;
        self.set_inference_depths()?;
        self.draw_depth()
    }

    /// The distributions of the next step.
    fn set_pmfs(&mut self) -> Result<(), ApolloError> {
        let plan = self.plan.clone();
        let part = plan.plan.sampler_part(self.position.step);
        let unique = plan.timeline.layers(self.stage());
        self.pmfs = unique
            .iter()
            .zip(&plan.targets)
            .map(|(n, l)| plan.plan.pmf_in(part, *n, *l))
            .collect::<Result<_, _>>()?;
        self.sampler_part = part;
        Ok(())
    }

    /// Runs the model at the run's inference depth after [`valid`](burn::module::Module::valid).
    fn set_inference_depths(&mut self) -> Result<(), ApolloError> {
        let (plan, inference) = (self.plan.clone(), self.inference_depth);
        let unique = plan.timeline.layers(self.stage());
        for (i, stack) in plan.stacks(self.model_mut())?.into_iter().enumerate() {
            let depth = inference.depth(unique[i], plan.targets[i]);
            stack.set_inference_depth(&plan.plan.map(unique[i], depth)?)?;
        }
        Ok(())
    }

    /// The depth of validation and inference during the run.
    ///
    /// # Errors
    ///
    /// [`ApolloError::InferenceDepth`] for a depth that a stack of the full model does not have.
    pub fn with_inference_depth(mut self, depth: InferenceDepth) -> Result<Self, ApolloError> {
        if let InferenceDepth::At(depth) = depth
            && let Some(stack) = self.plan.targets.iter().position(|l| !(1..=*l).contains(&depth))
        {
            let target = self.plan.targets[stack];
            return Err(ApolloError::InferenceDepth { stack, depth, target });
        }
        self.inference_depth = depth;
        self.set_inference_depths()?;
        Ok(self)
    }

    /// What the device draws from now on belongs to the next step.
    pub(crate) fn seed_next_step(&self) {
        self.seed_device(NEXT_STEP);
    }

    pub(super) fn draw_depth(&mut self) -> Result<(), ApolloError> {
        self.seed_next_step();
        if self.sampler_part != self.plan.plan.sampler_part(self.position.step) {
            self.set_pmfs()?;
        }
        let depths = self.drawn(0);
        self.run_at(&depths)
    }

    /// Seeds the device's generator for micro-batch `index` of the next step.
    pub(crate) fn seed_micro_batch(&self, index: u64) {
        self.seed_device(index + 1);
    }

    fn seed_device(&self, part: u64) {
        if self.plan.plan.step_seeds {
            let step = mix(self.plan.plan.seed, self.position.step);
            generator::seed(&self.device, mix(step, part));
        }
    }

    /// The depth of every stack for a micro-batch of the next step.
    pub(crate) fn drawn(&self, micro_batch: u64) -> Vec<usize> {
        let seed = self.plan.plan.seed;
        (0_u16..)
            .zip(self.pmfs.iter())
            .map(|(stack, pmf)| draw(pmf, seed, self.position.step, micro_batch, stack))
            .collect()
    }

    fn run_at(&mut self, depths: &[usize]) -> Result<(), ApolloError> {
        let plan = self.plan.clone();
        plan.set_training_depths(self.model_mut(), depths)?;
        self.depths = depths.to_vec();
        Ok(())
    }

    /// Runs the next step at `depth` in every stack instead of the sampled one. Micro-batches that draw
    /// depths of their own ([`DrawPer::MicroBatch`]) do so regardless.
    ///
    /// # Errors
    ///
    /// [`ApolloError::DepthRange`] unless the depth lies between the unique layers and the target depth of
    /// every stack.
    pub fn set_depth(&mut self, depth: usize) -> Result<(), ApolloError> {
        let depths = self.depths_at(InferenceDepth::At(depth))?;
        self.run_at(&depths)
    }

    /// Each stack's depth for `depth`, refused where a stack cannot run at it.
    fn depths_at(&self, depth: InferenceDepth) -> Result<Vec<usize>, ApolloError> {
        let unique = self.plan.timeline.layers(self.stage());
        if let InferenceDepth::At(depth) = depth {
            let fits =
                |(n, l): (&usize, &usize)| (*n..=if *n == 0 { 0 } else { *l }).contains(&depth);
            if let Some(stack) = unique.iter().zip(&self.plan.targets).position(|p| !fits(p)) {
                let (unique, target) = (unique[stack], self.plan.targets[stack]);
                return Err(ApolloError::DepthRange { stack, depth, unique, target });
            }
        }
        Ok(unique.iter().zip(&self.plan.targets).map(|(n, l)| depth.depth(*n, *l)).collect())
    }

    /// The model for micro-batch `index` of the next step: at its own depth with
    /// [`DrawPer::MicroBatch`], at the step's depth otherwise.
    ///
    /// The model shares all parameters with this one, so its gradients are this one's. The device's generator is
    /// seeded for the micro-batch, as burn-train's `TrainStep::step` does it
    /// ([`Plan::with_step_seeds`](crate::Plan::with_step_seeds)).
    ///
    /// # Errors
    ///
    /// When the expander gives no map for the depth.
    pub fn micro_batch(&self, index: u64) -> Result<M, ApolloError> {
        self.seed_micro_batch(index);
        match self.plan.plan.draw_per {
            DrawPer::OptimizerStep => Ok(self.model().clone()),
            DrawPer::MicroBatch => self.training_at(&self.drawn(index)),
        }
    }

    /// The model for a training step at `depths`.
    pub(crate) fn training_at(&self, depths: &[usize]) -> Result<M, ApolloError> {
        let mut model = self.model().clone();
        self.plan.set_training_depths(&mut model, depths)?;
        Ok(model)
    }

    /// The model for inference at `depth`: without autodiff, no matter the plan's inference depth.
    ///
    /// # Errors
    ///
    /// [`ApolloError::DepthRange`] unless every stack can run at the depth.
    pub fn at_depth(&self, depth: InferenceDepth) -> Result<M, ApolloError> {
        let depths = self.depths_at(depth)?;
        let mut model = self.model().valid();
        for (stack, depth) in stacks_mut(&mut model).into_iter().zip(depths) {
            stack.set_inference_depth(&self.plan.plan.map(stack.unique_layers(), depth)?)?;
        }
        Ok(model)
    }
}

impl FittedPlan {
    fn set_training_depths(
        &self,
        model: &mut impl Growable,
        depths: &[usize],
    ) -> Result<(), ApolloError> {
        for (stack, depth) in self.stacks(model)?.into_iter().zip(depths) {
            let map = self.plan.map(stack.unique_layers(), *depth)?;
            stack.set_training_depth(&map)?;
        }
        Ok(())
    }
}

impl<M> Apollo<M> {
    /// The depth that was drawn for an earlier step, over all stacks: of its first micro-batch, where each draws its own.
    pub(super) fn depth_of(&self, step: u64) -> usize {
        let before = self.position.growths.iter().filter(|growth| **growth <= step).count();
        let stage = before.checked_sub(1).map_or(0, |i| self.position.made[i].stage);
        let (plan, layers) = (&self.plan.plan, self.plan.timeline.layers(stage));
        let stacks = (0_u16..).zip(layers.iter().zip(&self.plan.targets));
        let depth = |(stack, (unique, target)): (u16, (&usize, &usize))| {
            let pmf = plan.pmf(step, *unique, *target).ok()?;
            Some(draw(&pmf, plan.seed, step, 0, stack))
        };
        stacks.map(depth).sum::<Option<usize>>().unwrap_or(0)
    }
}
