use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;

use super::{Apollo, ApolloError, GrowthReport, StackGrowth};
use crate::expand::{Expander, LayerMap, NewLayers, checked_map};
use crate::optim::{MomentPolicy, inherit};
use crate::panic::panic_message;
use crate::schedule::{Decision, Observation, ScheduleError};
use crate::stack::{
    Growable, GrowableStack, LayerParam, LayerSource, ParamOrigin, is_distributed, mix, zeroed,
};

/// A growth that is asked for by [`Apollo::grow_now`]: the plan's own in everything that is not set.
///
/// ```
/// use burn_apollo::Growth;
/// use burn_apollo::expand::Stacking;
/// use burn_apollo::optim::MomentPolicy;
///
/// let candidates = [
///     Growth::next(),
///     Growth::next().with_expander(Stacking).with_moments(MomentPolicy::Copy),
///     Growth::to_stage(3),
/// ];
/// # let _ = candidates;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Growth {
    stage: Option<usize>,
    expander: Option<Arc<dyn Expander>>,
    moments: Option<MomentPolicy>,
}

impl Growth {
    /// To the next stage of the schedule.
    pub fn next() -> Self {
        Self::default()
    }

    /// To a later stage of the schedule, over those between.
    pub fn to_stage(stage: usize) -> Self {
        Self { stage: Some(stage), ..Self::default() }
    }

    /// With another layer map than the plan's expander gives. Virtual depths are still mapped by the plan's.
    pub fn with_expander(self, expander: impl Expander + 'static) -> Self {
        Self { expander: Some(Arc::new(expander)), ..self }
    }

    /// With another inheritance of optimizer state than the plan's.
    pub fn with_moments(self, moments: MomentPolicy) -> Self {
        Self { moments: Some(moments), ..self }
    }
}

impl<M: Growable> Apollo<M> {
    /// Grows before the next step, whatever the policy says: for a training loop that decides itself. The policy goes
    /// on from the new stage. A [`branch`](Self::branch) tries a growth without committing to it.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Growth`] with the cause, and [`ApolloError::Failed`] where a growth of the run failed before;
    /// the model and the optimizer are as they were.
    pub fn grow_now(
        &mut self,
        optim: &mut ModuleOptimizer,
        growth: &Growth,
    ) -> Result<Arc<GrowthReport>, ApolloError> {
        if let Some(error) = &self.failure {
            return Err(ApolloError::Failed(error.clone()));
        }
        let report = self.grow(optim, growth)?;
        self.tell_growth(report.clone());
        Ok(report)
    }

    /// The stage that the policy wants to grow to.
    pub(super) fn ask_policy(&mut self) -> Option<usize> {
        if self.branch.is_some() {
            return None;
        }
        let (stage, timeline) = (self.stage(), &self.plan.timeline);
        let feed = &self.plan.config.losses;
        feed.set_deaf(false);
        let (losses, measured, heard) = feed.since(self.heard);
        self.heard = heard;
        if stage + 1 >= timeline.stages() {
            return None;
        }
        let decision = self.policy.decide(&Observation {
            step: self.progress.step,
            stage,
            stages: timeline.stages(),
            stage_start: self.progress.growths.last().copied().unwrap_or(0),
            stage_end: timeline.end(stage),
            steps: timeline.steps(),
            losses: &losses,
            measured: &measured,
        });
        match decision {
            Decision::Stay => None,
            Decision::Grow => Some(stage + 1),
            Decision::GrowTo(stage) => Some(stage),
        }
    }

    /// Grows to a later stage. On an error the model and the optimizer are as they were.
    pub(super) fn grow(
        &mut self,
        optim: &mut ModuleOptimizer,
        growth: &Growth,
    ) -> Result<Arc<GrowthReport>, ApolloError> {
        let (current, stages, step) = (self.stage(), self.stages(), self.progress.step);
        let stage = growth.stage.unwrap_or(current + 1);
        let failed = |e: ApolloError| ApolloError::Growth { stage, step, cause: Box::new(e) };
        if stage <= current || stage >= stages {
            return Err(failed(ScheduleError::Target { stage, current, stages }.into()));
        }
        // All happens on clones, so that whatever fails can be dropped, a panic halfway included: Burn panics where
        // a device has no memory left.
        let attempt = AssertUnwindSafe(|| {
            let mut grown = self.clone();
            let (report, grown_optim) = grown.grown(growth, stage, optim)?;
            self.device.sync().map_err(|e| ApolloError::Device(e.to_string()))?;
            Ok((grown, report, grown_optim))
        });
        let (grown, report, grown_optim) = catch_unwind(attempt)
            .unwrap_or_else(|panic| Err(ApolloError::Panicked(panic_message(panic.as_ref()))))
            .map_err(failed)?;
        *self = grown;
        *optim = grown_optim;
        Ok(Arc::new(report))
    }

    fn grown(
        &mut self,
        growth: &Growth,
        stage: usize,
        optim: &ModuleOptimizer,
    ) -> Result<(GrowthReport, ModuleOptimizer), ApolloError> {
        let params_before = self.model.num_params();
        let (stacks, origins) = self.grow_model(growth, stage)?;
        let config = &self.plan.config;
        let (paths, moments) = (param_paths(&self.model), growth.moments.unwrap_or(config.moments));
        let (optim, state) = inherit(optim, &origins, &paths, moments, &config.moment_orders)?;
        self.progress.grew(stage, stacks.iter().map(|stack| stack.map.clone()).collect());
        self.begin_stage()?;
        let report = GrowthReport {
            step: self.progress.step,
            stage,
            stacks,
            params_before,
            params_after: self.model.num_params(),
            state,
            lr_factor: self.lr_factor(),
        };
        Ok((report, optim))
    }

    /// Grows the stacks to the layers of `stage`; the optimizer is not looked at.
    pub(super) fn grow_model(
        &mut self,
        growth: &Growth,
        stage: usize,
    ) -> Result<(Vec<StackGrowth>, Vec<ParamOrigin>), ApolloError> {
        let (plan, device) = (self.plan.clone(), self.device.clone());
        let expander = growth.expander.as_ref().unwrap_or(&plan.config.expander);
        let mut any = AnyDistributed(false);
        self.model.visit(&mut any);
        let AnyDistributed(distributed) = any;
        let (mut growths, mut origins) = (Vec::new(), Vec::new());
        for (i, stack) in plan.stacks(&mut self.model)?.into_iter().enumerate() {
            let (from, to) = (stack.unique_layers(), plan.timeline.layers(stage)[i]);
            let map = match from {
                0 => None,
                _ => {
                    let map = checked_map(expander.as_ref(), from, to)?;
                    plan.check_growth(i, &map)?;
                    Some(map)
                }
            };
            let mut zeroed = 0;
            if from != to {
                let source = match &map {
                    Some(map) => LayerSource::Copies { map, stage },
                    None => LayerSource::Initialiser {
                        layers: to,
                        seed: mix(plan.config.seed, stage as u64),
                        stack: i,
                        device: &device,
                        distributed,
                    },
                };
                origins.extend(stack.grow(source, &plan.config.new_layers)?);
                zeroed = zeroed_params(stack, map.as_ref(), &plan.config.new_layers);
            }
            growths.push(StackGrowth { from, to, map, zeroed });
        }
        Ok((growths, origins))
    }
}

/// How many parameters of the new layers of `stack`, just grown by `map`, are zero.
fn zeroed_params(
    stack: &dyn GrowableStack,
    map: Option<&LayerMap>,
    new_layers: &NewLayers,
) -> usize {
    let is_new = |layer: usize| map.is_none_or(|map| !map.is_first_copy(layer));
    let params = stack.layer_params();
    let layers = (0..).zip(&params).filter(|(layer, _)| is_new(*layer));
    layers.map(|(_, p)| zeroed(p, new_layers).into_iter().filter(|zero| *zero).count()).sum()
}

fn param_paths<M: Module>(model: &M) -> HashMap<ParamId, String> {
    LayerParam::all(model).into_iter().map(|param| (param.id, param.path)).collect()
}

/// Whether some parameter's gradients are reduced over the workers of distributed training.
struct AnyDistributed(bool);

impl ModuleVisitor for AnyDistributed {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 |= param.is_initialized() && is_distributed(&param.base());
    }
}
