//! The depths at which a model runs: drawn for training steps, chosen for inference.

use std::sync::Arc;

use super::error::other;
use super::fitted::FittedPlan;
use super::{Apollo, ApolloError, InferenceDepth, Role};
use crate::depth::{DepthPmf, DrawPer, draw};
use crate::expand::LayerMap;
use crate::generator;
use crate::stack::{Growable, Stack};
use crate::wire::mix;

/// The depths of the next step.
#[derive(Debug, Clone, Default)]
pub(super) struct Depths {
    /// What they are drawn from, stack by stack.
    pub(super) pmfs: Arc<[DepthPmf]>,
    /// The part of the run whose sampler gave these.
    part: usize,
    /// In training.
    pub(super) training: Vec<usize>,
    inference: InferenceDepth,
}

/// Seeds what is drawn between two steps: by a data loader, say.
pub(super) const NEXT_STEP: u64 = 0;

impl<M: Growable, R: Role> Apollo<M, R> {
    /// The distributions and the inference depths of the stage that has just begun.
    pub(super) fn begin_stage(&mut self) -> Result<(), ApolloError> {
        self.set_pmfs()?;
        self.set_inference_depths()
    }

    /// The distributions of the next step.
    fn set_pmfs(&mut self) -> Result<(), ApolloError> {
        let plan = &self.plan;
        let part = plan.plan.sampler_part(self.position.step);
        let pmfs = plan.depths(self.stage()).map(|(n, l)| plan.plan.pmf_in(part, n, l));
        self.depths.pmfs = pmfs.collect::<Result<_, _>>()?;
        self.depths.part = part;
        Ok(())
    }

    /// Runs the model at the run's inference depth after [`valid`](burn::module::Module::valid).
    fn set_inference_depths(&mut self) -> Result<(), ApolloError> {
        let (plan, inference) = (self.plan.clone(), self.depths.inference);
        let depths: Vec<usize> =
            plan.depths(self.stage()).map(|(n, l)| inference.depth(n, l)).collect();
        plan.run_at(self.model_mut(), &depths, |stack, map| stack.set_inference_depth(map))
    }

    /// The depth of validation and inference during the run.
    ///
    /// # Errors
    ///
    /// For a depth that a stack of the full model does not have.
    pub fn with_inference_depth(mut self, depth: InferenceDepth) -> Result<Self, ApolloError> {
        if let InferenceDepth::At(depth) = depth
            && let Some(stack) = self.plan.targets.iter().position(|l| !(1..=*l).contains(&depth))
        {
            return Err(other!(
                "`inference_depth`: {depth} is not in 1..={}, the target depth of stack {stack}",
                self.plan.targets[stack]
            ));
        }
        self.depths.inference = depth;
        self.set_inference_depths()?;
        Ok(self)
    }

    /// The depths of the next step, at which the model runs from now on.
    pub(super) fn draw_depth(&mut self) -> Result<(), ApolloError> {
        self.role.moved();
        self.seed_next_step();
        if self.depths.part != self.plan.plan.sampler_part(self.position.step) {
            self.set_pmfs()?;
        }
        self.run_at(self.drawn(0))
    }

    /// What the device draws from now on belongs to the next step.
    pub(super) fn seed_next_step(&self) {
        self.seed_device(NEXT_STEP);
    }

    /// Seeds the device's generator for micro-batch `index` of the next step.
    pub(crate) fn seed_micro_batch(&self, index: u64) {
        self.seed_device(index + 1);
    }

    fn seed_device(&self, part: u64) {
        if let Some(seed) = self.seed(part) {
            generator::seed(&self.device, seed);
        }
    }

    /// What the device is seeded with for a part of the next step.
    pub(super) fn seed(&self, part: u64) -> Option<u64> {
        let plan = &self.plan.plan;
        plan.step_seeds.then(|| mix(mix(plan.seed, self.position.step), part))
    }

    /// The depth of every stack for a micro-batch of the next step.
    pub(crate) fn drawn(&self, micro_batch: u64) -> Vec<usize> {
        let (seed, step) = (self.plan.plan.seed, self.position.step);
        let stacks = (0_u16..).zip(self.depths.pmfs.iter());
        stacks.map(|(stack, pmf)| draw(pmf, seed, step, micro_batch, stack)).collect()
    }

    fn run_at(&mut self, depths: Vec<usize>) -> Result<(), ApolloError> {
        let plan = self.plan.clone();
        plan.run_at(self.model_mut(), &depths, |stack, map| stack.set_training_depth(map))?;
        self.depths.training = depths;
        Ok(())
    }

    /// Runs the next step at `depth` in every stack instead of the sampled one. Micro-batches that draw
    /// depths of their own ([`DrawPer::MicroBatch`]) do so regardless.
    ///
    /// # Errors
    ///
    /// Unless the depth lies between the unique layers and the target depth of every stack.
    pub fn set_depth(&mut self, depth: usize) -> Result<(), ApolloError> {
        let depths = self.depths_at(InferenceDepth::At(depth))?;
        self.run_at(depths)
    }

    /// Each stack's depth for `depth`, refused where a stack cannot run at it.
    fn depths_at(&self, depth: InferenceDepth) -> Result<Vec<usize>, ApolloError> {
        let of_stack = |(stack, (unique, target)): (usize, (usize, usize))| match depth {
            InferenceDepth::At(at) if at != depth.depth(unique, target) => {
                Err(other!("stack {stack} runs at depths {unique}..={target} now, found {at}"))
            }
            _ => Ok(depth.depth(unique, target)),
        };
        self.plan.depths(self.stage()).enumerate().map(of_stack).collect()
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
        self.plan.run_at(&mut model, depths, |stack, map| stack.set_training_depth(map))?;
        Ok(model)
    }

    /// The model for inference at `depth`: without autodiff, no matter the plan's inference depth.
    ///
    /// # Errors
    ///
    /// Unless every stack can run at the depth.
    pub fn at_depth(&self, depth: InferenceDepth) -> Result<M, ApolloError> {
        let depths = self.depths_at(depth)?;
        let mut model = self.model().valid();
        self.plan.run_at(&mut model, &depths, |stack, map| stack.set_inference_depth(map))?;
        Ok(model)
    }

    /// The depth that was drawn for an earlier step, over all stacks: of its first micro-batch, where each draws its own.
    pub(super) fn depth_of(&self, step: u64) -> usize {
        let plan = &self.plan.plan;
        let stacks = (0_u16..).zip(self.plan.depths(self.position.stage_at(step)));
        let depth = |(stack, (unique, target))| {
            let pmf = plan.pmf(step, unique, target).ok()?;
            Some(draw(&pmf, plan.seed, step, 0, stack))
        };
        stacks.map(depth).sum::<Option<usize>>().unwrap_or(0)
    }
}

impl FittedPlan {
    /// Unique layers in a stage and target depth, stack by stack.
    fn depths(&self, stage: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.timeline.layers(stage).iter().copied().zip(self.targets.iter().copied())
    }

    /// Lets `set` give every stack of `model` the map of its depth.
    fn run_at(
        &self,
        model: &mut impl Growable,
        depths: &[usize],
        set: impl Fn(&mut dyn Stack, &LayerMap),
    ) -> Result<(), ApolloError> {
        for (stack, depth) in self.stacks(model)?.into_iter().zip(depths) {
            let map = self.plan.map(stack.unique_layers(), *depth)?;
            set(stack, &map);
        }
        Ok(())
    }
}
