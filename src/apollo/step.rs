//! The optimizer step.

use std::collections::{HashMap, HashSet};

use burn::module::ParamId;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};

use super::error::other;
use super::gradients::{Gradients, not_finite};
use super::{
    Apollo, ApolloError, GrowthReport, GrowthRequest, NonFiniteGradients, Role, StepReport,
};
use crate::optim::{check_rates, rates, scaled_rates, without_gradients};
use crate::policy::{Decision, Observation};
use crate::registry::ages;
use crate::stack::{Growable, stacks};

/// What is looked at before a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Checks {
    pub(super) non_finite: NonFiniteGradients,
    /// Steps in a row that were skipped until now.
    skipped: u32,
    /// The stage whose parameter groups were looked at.
    groups_of: Option<usize>,
}

impl Checks {
    pub(super) fn new(non_finite: NonFiniteGradients) -> Self {
        Self { non_finite, ..Self::default() }
    }
}

impl<M: Growable, R: Role> Apollo<M, R> {
    /// Updates the parameters with `grads`, counts one optimizer step, grows where the policy says so (a branch has none),
    /// and sets the depth of the next step; answers what ran and what became of it.
    ///
    /// `lr` is the rate that the scheduler gives; the plan's [`LrAtGrowth`](crate::schedule::LrAtGrowth)
    /// is applied to it.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Growth`] for a growth that failed: the step was taken and counted. The policy asks for it again after
    /// the next step; the error says what ends that. [`ApolloError::Gradient`] and [`ApolloError::Skipped`] for gradients
    /// that are not finite, [`ApolloError::Other`] for such a learning rate and for groups of rates that would not outlast
    /// a growth: nothing was changed or counted. [`ApolloError::Other`], too, where the policy needs numbers that were never
    /// recorded: the step was taken and counted.
    pub fn update(
        &mut self,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> Result<StepReport, ApolloError> {
        let step = |model, optim: &mut ModuleOptimizer, lr, grads| optim.step(lr, model, grads);
        self.step(optim, lr.into(), grads, step)
    }

    /// [`update`](Self::update) by `step`, which takes the optimizer's step with the rates and gradients that it is given.
    pub(crate) fn step<G: Gradients>(
        &mut self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        mut grads: G,
        step: impl FnOnce(M, &mut ModuleOptimizer, ModuleLearningRate, G) -> M,
    ) -> Result<StepReport, ApolloError> {
        let of_layers = self.layer_factors_by_param();
        let lr = self.checked_rate(lr, &of_layers)?;
        let frozen = of_layers.iter().filter(|(_, factor)| **factor == 0.0);
        let frozen: HashSet<ParamId> = frozen.map(|(id, _)| *id).collect();
        let mut of_devices = grads.of_devices();
        if !frozen.is_empty() {
            of_devices.iter_mut().for_each(|g| without_gradients(&frozen, g, self.model()));
        }
        let skipped = self.bad_gradient(&of_devices)?;
        let mut report = StepReport {
            step: self.position.step,
            stage: self.stage(),
            unique_layers: self.unique_layers(),
            depths: self.depths.training.clone(),
            lr_factor: self.lr_factor(),
            skipped,
            growth: None,
        };
        match report.skipped {
            None => {
                self.model = self.model.take().map(|model| step(model, optim, lr, grads));
                self.checks.skipped = 0;
            }
            Some(_) => self.checks.skipped += 1,
        }
        self.position.step += 1;
        let growth = self.policy_growth(optim);
        // The next step has a depth, whatever became of the growth.
        self.draw_depth()?;
        report.growth = growth?;
        Ok(report)
    }

    /// The scheduler's rates times the plan's factors; their groups are looked at once a stage.
    fn checked_rate(
        &mut self,
        lr: ModuleLearningRate,
        of_layers: &HashMap<ParamId, f64>,
    ) -> Result<ModuleLearningRate, ApolloError> {
        let stage = self.stage();
        let rates = rates(&lr, self.model());
        if let Some((_, param, rate)) = rates.iter().find(|(_, _, rate)| !rate.is_finite()) {
            let step = self.position.step;
            return Err(other!("step {step}: the learning rate of `{param}` is {rate}"));
        }
        if self.checks.groups_of != Some(stage) {
            check_rates(&lr, self.model(), &self.plan.copies[stage]).map_err(ApolloError::Other)?;
            self.checks.groups_of = Some(stage);
        }
        Ok(match self.lr_factor() {
            1.0 if of_layers.is_empty() => lr,
            factor => scaled_rates(lr.base(), rates, factor, of_layers),
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

    /// The parameter for whose gradient the step is to be skipped, if there is one.
    fn bad_gradient(&self, grads: &[&mut GradientsParams]) -> Result<Option<String>, ApolloError> {
        let Checks { non_finite, skipped, .. } = self.checks;
        if non_finite == NonFiniteGradients::Allow {
            return Ok(None);
        }
        let Some(param) = not_finite(self.model(), grads)? else { return Ok(None) };
        let step = self.position.step;
        match non_finite {
            NonFiniteGradients::Skip { in_a_row } if skipped < in_a_row => Ok(Some(param)),
            NonFiniteGradients::Skip { .. } => Err(ApolloError::Skipped { step, param, skipped }),
            _ => Err(ApolloError::Gradient { step, param }),
        }
    }

    /// The growth that the policy wants.
    fn policy_growth(
        &mut self,
        optim: &mut ModuleOptimizer,
    ) -> Result<Option<GrowthReport>, ApolloError> {
        let (stage, timeline) = (self.stage(), &self.plan.timeline);
        let now = Observation {
            step: self.position.step,
            stage,
            stages: timeline.stages(),
            stage_start: self.position.stage_start(),
            stage_end: timeline.end(stage),
            steps: timeline.steps(),
            unique_layers: self.unique_layers(),
            measurements: &[],
        };
        let stage = match self.role.decide(now) {
            Decision::Stay => return Ok(None),
            Decision::Grow => stage + 1,
            Decision::GrowTo(stage) => stage,
            Decision::Missing(name) => {
                return Err(other!(
                    "the growth policy `{}` needs the {name} to decide about the end of stage {stage}, and none was \
                     recorded: call `Apollo::record_loss` or `record`, in burn-train `LossRecorder::record`",
                    self.plan.plan.policy.name()
                ));
            }
        };
        self.grow(optim, &GrowthRequest::to_stage(stage)).map(Some)
    }
}
