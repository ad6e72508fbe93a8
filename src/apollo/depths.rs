//! The depths at which a model runs: drawn for training steps, chosen for inference.

use super::config::Plan;
use super::{Apollo, ApolloError, InferenceDepth};
use crate::depth::{DepthError, DepthPmf, DrawPer, draw};
use crate::expand::{LayerMap, checked_map};
use crate::stack::{Growable, mix};

/// Seeds what is drawn between two steps: by a data loader, say.
const NEXT_STEP: u64 = 0;

impl<M: Growable> Apollo<M> {
    /// Prepares the distributions and depths of the stage that has just begun.
    pub(super) fn begin_stage(&mut self) -> Result<(), ApolloError> {
        let plan = self.plan.clone();
        let unique = plan.timeline.layers(self.stage());
        self.pmfs = unique
            .iter()
            .zip(&plan.targets)
            .map(|(n, l)| plan.pmf(*n, *l))
            .collect::<Result<_, _>>()?;
        let inference = self.plan.config.inference_depth;
        for (i, stack) in plan.stacks(&mut self.model)?.into_iter().enumerate() {
            let depth = inference.depth(unique[i], plan.targets[i]);
            stack.set_inference_depth(&plan.map(unique[i], depth)?)?;
        }
        self.draw_depth()
    }

    /// What is told and drawn from now on belongs to the next step.
    pub(super) fn stand_at_step(&self) {
        self.plan.config.losses.begin_step(self.progress.step);
        self.seed_device(NEXT_STEP);
    }

    pub(super) fn draw_depth(&mut self) -> Result<(), ApolloError> {
        self.stand_at_step();
        let depths = self.drawn(0);
        self.run_at(&depths)
    }

    /// Seeds the device's generator for micro-batch `index` of the next step.
    pub(super) fn seed_micro_batch(&self, index: u64) {
        self.seed_device(index + 1);
    }

    fn seed_device(&self, part: u64) {
        if self.plan.config.step_seeds {
            let step = mix(self.plan.config.seed, self.progress.step);
            self.device.seed(mix(step, part));
        }
    }

    /// The depth of every stack for a micro-batch of the next step.
    pub(super) fn drawn(&self, micro_batch: u64) -> Vec<usize> {
        let seed = self.plan.config.seed;
        (0_u16..)
            .zip(self.pmfs.iter())
            .map(|(stack, pmf)| draw(pmf, seed, self.progress.step, micro_batch, stack))
            .collect()
    }

    fn run_at(&mut self, depths: &[usize]) -> Result<(), ApolloError> {
        self.plan.set_training_depths(&mut self.model, depths)?;
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
    /// ([`with_step_seeds`](crate::ApolloConfig::with_step_seeds)).
    ///
    /// # Errors
    ///
    /// When the expander gives no map for the depth.
    pub fn micro_batch(&self, index: u64) -> Result<M, ApolloError> {
        self.seed_micro_batch(index);
        match self.plan.config.draw_per {
            DrawPer::OptimizerStep => Ok(self.model.clone()),
            DrawPer::MicroBatch => self.training_at(&self.drawn(index)),
        }
    }

    /// The model for a training step at `depths`.
    pub(super) fn training_at(&self, depths: &[usize]) -> Result<M, ApolloError> {
        let mut model = self.model.clone();
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
        let mut model = self.model.valid();
        for (stack, depth) in model.stacks().into_iter().zip(depths) {
            stack.set_inference_depth(&self.plan.map(stack.unique_layers(), depth)?)?;
        }
        Ok(model)
    }
}

impl Plan {
    fn set_training_depths(
        &self,
        model: &mut impl Growable,
        depths: &[usize],
    ) -> Result<(), ApolloError> {
        for (stack, depth) in self.stacks(model)?.into_iter().zip(depths) {
            let map = self.map(stack.unique_layers(), *depth)?;
            stack.set_training_depth(&map)?;
        }
        Ok(())
    }

    pub(super) fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, ApolloError> {
        if unique == 0 {
            return Ok(DepthPmf::always(0));
        }
        let pmf = self.config.sampler.pmf(unique, target)?;
        match pmf.lowest() >= unique && pmf.highest() <= target {
            true => Ok(pmf),
            false => Err(ApolloError::Depth(DepthError::Support {
                unique,
                target,
                found_low: pmf.lowest(),
                found_high: pmf.highest(),
            })),
        }
    }

    pub(super) fn map(&self, unique: usize, depth: usize) -> Result<LayerMap, ApolloError> {
        Ok(checked_map(self.config.expander.as_ref(), unique, depth)?)
    }
}
