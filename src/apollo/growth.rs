//! Growths: by the policy or by hand.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;

use super::{Apollo, ApolloError, GrowthReport, StackGrowth};
use crate::expand::{Expander, Expansion};
use crate::optim::{MomentPolicy, inherit};
use crate::panic::caught;
use crate::stack::{Growable, LayerOrigin, LayerSource, ParamOrigin};
use crate::wire::{ParamInfo, PathVisitor, is_distributed, mix, walk};

/// A growth that is asked for by [`Apollo::grow`]: the plan's own in everything that is not set.
///
/// ```
/// use burn_apollo::GrowthRequest;
/// use burn_apollo::expand::Stacking;
/// use burn_apollo::optim::MomentPolicy;
///
/// let candidates = [
///     GrowthRequest::next(),
///     GrowthRequest::next().with_expander(Stacking).with_moments(MomentPolicy::Copy),
///     GrowthRequest::to_stage(3),
/// ];
/// # let _ = candidates;
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GrowthRequest {
    stage: Option<usize>,
    expander: Option<Expansion>,
    moments: Option<MomentPolicy>,
}

impl GrowthRequest {
    /// To the next stage of the schedule.
    pub fn next() -> Self {
        Self::default()
    }

    /// To a later stage of the schedule, over those between.
    pub fn to_stage(stage: usize) -> Self {
        Self { stage: Some(stage), ..Self::default() }
    }

    /// With another layer map than the plan's expander gives. Virtual depths are still mapped by the plan's.
    pub fn with_expander(self, expander: impl Into<Expansion>) -> Self {
        Self { expander: Some(expander.into()), ..self }
    }

    /// With another inheritance of optimizer state than the plan's.
    pub fn with_moments(self, moments: MomentPolicy) -> Self {
        Self { moments: Some(moments), ..self }
    }
}

impl<M: Growable> Apollo<M> {
    /// Grows before the next step, whatever the policy says: for a training loop that decides itself. The policy goes
    /// on from the new stage. [`try_out`](Self::try_out) tries growths without committing to one.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Growth`] with the cause; the model and the optimizer are as they were.
    pub fn grow(
        &mut self,
        optim: &mut ModuleOptimizer,
        request: &GrowthRequest,
    ) -> Result<GrowthReport, ApolloError> {
        let report = self.grow_stacks(optim, request)?;
        self.draw_depth()?;
        Ok(report)
    }

    /// Grows to a later stage. On an error the model and the optimizer are as they were.
    pub(super) fn grow_stacks(
        &mut self,
        optim: &mut ModuleOptimizer,
        request: &GrowthRequest,
    ) -> Result<GrowthReport, ApolloError> {
        let (current, stages) = (self.stage(), self.timeline().stages());
        let (stage, step) = (request.stage.unwrap_or(current + 1), self.position.step);
        let failed = |e: ApolloError| ApolloError::Growth { stage, step, cause: Box::new(e) };
        if stage <= current || stage >= stages {
            return Err(failed(ApolloError::Target { stage, current, stages }));
        }
        // All happens on clones, so that whatever fails can be dropped, a panic halfway included: Burn panics where
        // a device has no memory left.
        let attempt = || {
            let mut grown = self.clone();
            let (report, grown_optim) = grown.grown(request, stage, optim)?;
            self.device.sync().map_err(|e| ApolloError::Device(e.to_string()))?;
            Ok((grown, report, grown_optim))
        };
        let (grown, report, grown_optim) = caught(attempt)
            .unwrap_or_else(|message| Err(ApolloError::Panicked { what: "the growth", message }))
            .map_err(failed)?;
        *self = grown;
        *optim = grown_optim;
        Ok(report)
    }

    fn grown(
        &mut self,
        request: &GrowthRequest,
        stage: usize,
        optim: &ModuleOptimizer,
    ) -> Result<(GrowthReport, ModuleOptimizer), ApolloError> {
        let params_before = self.model().num_params();
        let (stacks, origins) = self.grow_model(request, stage)?;
        let plan = &self.plan.plan;
        let (paths, moments) = (param_paths(self.model()), request.moments.unwrap_or(plan.moments));
        let (optim, state) = inherit(optim, &origins, &paths, moments, &plan.moment_orders)?;
        self.position.grew(stage, stacks.iter().map(|stack| stack.map.clone()).collect());
        self.begin_stage()?;
        let report = GrowthReport {
            step: self.position.step,
            stage,
            stacks,
            params_before,
            params_after: self.model().num_params(),
            state,
            lr_factor: self.lr_factor(),
        };
        Ok((report, optim))
    }

    /// Grows the stacks to the layers of `stage`; the optimizer is not looked at.
    pub(super) fn grow_model(
        &mut self,
        request: &GrowthRequest,
        stage: usize,
    ) -> Result<(Vec<StackGrowth>, Vec<ParamOrigin>), ApolloError> {
        let (plan, device) = (self.plan.clone(), self.device.clone());
        let expander = request.expander.as_ref().unwrap_or(&plan.plan.expander);
        let distributed = walk(self.model(), AnyDistributed(false)).0;
        let (mut growths, mut origins) = (Vec::new(), Vec::new());
        for (i, stack) in plan.stacks(self.model_mut())?.into_iter().enumerate() {
            let (from, to) = (stack.unique_layers(), plan.timeline.layers(stage)[i]);
            let map = match from {
                0 => None,
                _ => {
                    let map = caught(|| expander.map(from, to)).map_err(|message| {
                        ApolloError::Panicked { what: "the expander", message }
                    })??;
                    plan.check_growth(i, &map)?;
                    Some(map)
                }
            };
            let mut zeroed = 0;
            if from != to {
                let seed = mix(plan.plan.seed, stage as u64);
                let source = match &map {
                    Some(map) => LayerSource::Copies { map, stage, seed: mix(seed, i as u64) },
                    None => LayerSource::Initialiser {
                        layers: to,
                        seed,
                        stack: i,
                        device: &device,
                        distributed,
                    },
                };
                let lineage = stack.grow(source, &plan.plan.new_layers)?;
                zeroed = zeroed_params(&lineage);
                origins.extend(lineage.into_iter().flat_map(|layer| layer.params));
            }
            growths.push(StackGrowth { from, to, map, zeroed });
        }
        Ok((growths, origins))
    }
}

/// How many parameters of new layers are zero.
fn zeroed_params(lineage: &[LayerOrigin]) -> usize {
    let new = lineage.iter().filter(|layer| !layer.kept).flat_map(|layer| &layer.params);
    new.filter(|param| param.zeroed).count()
}

fn param_paths<M: Module>(model: &M) -> HashMap<ParamId, String> {
    ParamInfo::all(model).into_iter().map(|param| (param.id, param.path)).collect()
}

/// Whether some parameter's gradients are reduced over the workers of distributed training.
struct AnyDistributed(bool);

impl PathVisitor for AnyDistributed {
    fn float<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
        self.0 |= param.is_initialized() && is_distributed(&param.base());
    }
}
