//! The optimizer step.

use std::collections::{HashMap, HashSet};

use burn::module::ParamId;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};

use super::gradients::not_finite;
use super::{Apollo, ApolloError, GrowthReport, GrowthRequest, NonFiniteGradients, StepReport};
use crate::optim::{check_rates, rate_not_finite, scaled_rates, without_gradients};
use crate::panic::caught;
use crate::policy::{Decision, Observation};
use crate::registry::ages;
use crate::stack::{Growable, stacks};

impl<M: Growable> Apollo<M> {
    /// Updates the parameters with `grads`, counts one optimizer step, grows where the policy says so,
    /// and sets the depth of the next step; answers what ran and what became of it.
    ///
    /// `lr` is the rate that the scheduler gives; the plan's [`LrAtGrowth`](crate::schedule::LrAtGrowth)
    /// is applied to it.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Growth`] for a growth that failed: the step was taken and counted. The policy asks for it again after
    /// the next step; the error says what ends that.
    /// [`ApolloError::Gradient`], [`ApolloError::Skipped`] and [`ApolloError::Rate`] for numbers that are not finite, and
    /// [`ApolloError::Optim`] for groups of rates that would not outlast a growth: nothing was changed or counted.
    pub fn update(
        &mut self,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        mut grads: GradientsParams,
    ) -> Result<StepReport, ApolloError> {
        let lr = self.checked_rate(lr.into())?;
        self.without_frozen([&mut grads]);
        let bad = self.bad_gradient([&grads])?;
        self.updated(optim, bad, Ask::Policy, |model, optim| optim.step(lr, model, grads))
    }

    /// The scheduler's rates times the plan's factor; their groups are looked at once a stage.
    pub(crate) fn checked_rate(
        &mut self,
        lr: ModuleLearningRate,
    ) -> Result<ModuleLearningRate, ApolloError> {
        if let Some((param, rate)) = rate_not_finite(&lr, self.model()) {
            return Err(ApolloError::Rate { step: self.position.step, param, rate });
        }
        if !self.groups_checked {
            check_rates(&lr, self.model(), &self.plan.copies[self.stage()])?;
            self.groups_checked = true;
        }
        let of_layers = self.layer_factors_by_param();
        Ok(match self.lr_factor() {
            1.0 if of_layers.is_empty() => lr,
            factor => scaled_rates(&lr, factor, &of_layers, self.model()),
        })
    }

    /// The plan's factor on the learning rate of each unique layer, stack by stack, beside
    /// [`lr_factor`](Self::lr_factor): [`LayerRates`](crate::schedule::LayerRates). A layer with 0 is frozen.
    pub fn layer_lr_factors(&self) -> Vec<Vec<f64>> {
        let layers = self.plan.timeline.layers(self.stage());
        let history = self.position.history(&self.plan.timeline);
        let (plan, step) = (&self.plan.plan, self.position.step);
        let factor = |age| plan.layer_rates.factor(age, step, plan.steps);
        let of_stack = |(layers, growths): (&usize, &Vec<_>)| {
            ages(*layers, growths).into_iter().map(factor).collect()
        };
        layers.iter().zip(&history).map(of_stack).collect()
    }

    /// The factors that are not 1.
    fn layer_factors_by_param(&self) -> HashMap<ParamId, f64> {
        if self.plan.plan.layer_rates.are_equal() {
            return HashMap::new();
        }
        let layers = stacks(self.model()).into_iter().flat_map(|stack| stack.params());
        let factors = self.layer_lr_factors().into_iter().flatten();
        let params = layers.zip(factors).filter(|(_, factor)| *factor != 1.0);
        params.flat_map(|(layer, f)| layer.into_iter().map(move |param| (param.id, f))).collect()
    }

    /// Takes the gradients of frozen layers out of `grads`.
    pub(crate) fn without_frozen<'a>(
        &self,
        grads: impl IntoIterator<Item = &'a mut GradientsParams>,
    ) {
        let factors = self.layer_factors_by_param();
        let frozen: HashSet<ParamId> =
            factors.into_iter().filter(|(_, factor)| *factor == 0.0).map(|(id, _)| id).collect();
        if !frozen.is_empty() {
            grads.into_iter().for_each(|grads| without_gradients(&frozen, grads, self.model()));
        }
    }

    /// The parameter for whose gradient the step is to be skipped, if there is one.
    pub(crate) fn bad_gradient<'a>(
        &self,
        grads: impl IntoIterator<Item = &'a GradientsParams>,
    ) -> Result<Option<String>, ApolloError> {
        if self.non_finite == NonFiniteGradients::Allow {
            return Ok(None);
        }
        let Some(param) = not_finite(self.model(), grads)? else { return Ok(None) };
        let (step, skipped) = (self.position.step, self.skipped);
        match self.non_finite {
            NonFiniteGradients::Skip { in_a_row } if skipped < in_a_row => Ok(Some(param)),
            NonFiniteGradients::Skip { .. } => Err(ApolloError::Skipped { step, param, skipped }),
            _ => Err(ApolloError::Gradient { step, param }),
        }
    }

    /// Takes `step`, unless it is to be skipped, and all that comes after it.
    pub(crate) fn updated(
        &mut self,
        optim: &mut ModuleOptimizer,
        skipped: Option<String>,
        ask: Ask,
        step: impl FnOnce(M, &mut ModuleOptimizer) -> M,
    ) -> Result<StepReport, ApolloError> {
        let mut report = StepReport {
            step: self.position.step,
            stage: self.stage(),
            unique_layers: self.unique_layers(),
            depths: self.depths.clone(),
            lr_factor: self.lr_factor(),
            skipped,
            growth: None,
        };
        match report.skipped {
            None => {
                self.model = self.model.take().map(|model| step(model, optim));
                self.skipped = 0;
            }
            Some(_) => self.skipped += 1,
        }
        self.position.step += 1;
        let growth = match ask {
            Ask::Policy => self.policy_growth(optim),
            Ask::Nobody => Ok(None),
        };
        // The next step has a depth, whatever became of the growth.
        self.draw_depth()?;
        report.growth = growth?;
        Ok(report)
    }

    /// The growth that the policy wants.
    fn policy_growth(
        &mut self,
        optim: &mut ModuleOptimizer,
    ) -> Result<Option<GrowthReport>, ApolloError> {
        match self.ask_policy()? {
            Some(stage) => self.grow_stacks(optim, &GrowthRequest::to_stage(stage)).map(Some),
            None => Ok(None),
        }
    }

    /// The stage that the policy wants to grow to.
    fn ask_policy(&mut self) -> Result<Option<usize>, ApolloError> {
        let measurements = core::mem::take(&mut self.measurements);
        let (stage, timeline) = (self.stage(), &self.plan.timeline);
        if stage + 1 >= timeline.stages() {
            return Ok(None);
        }
        let now = Observation {
            step: self.position.step,
            stage,
            stages: timeline.stages(),
            stage_start: self.position.growths.last().copied().unwrap_or(0),
            stage_end: timeline.end(stage),
            steps: timeline.steps(),
            unique_layers: self.unique_layers(),
            measurements: &measurements,
        };
        let decision = caught(|| self.policy.decide(&now))
            .map_err(|message| ApolloError::Panicked { what: "the growth policy", message })?;
        Ok(match decision {
            Decision::Stay => None,
            Decision::Grow => Some(stage + 1),
            Decision::GrowTo(stage) => Some(stage),
            Decision::Missing(name) => {
                let policy = self.plan.plan.policy.name().to_owned();
                return Err(ApolloError::Missing { stage, policy, name });
            }
        })
    }
}

/// Who decides whether to grow after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Policy,
    Nobody,
}
