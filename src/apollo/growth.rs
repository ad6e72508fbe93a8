//! Growths: by the policy or by hand.

use burn::module::Param;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;

use super::error::other;
use super::{Apollo, ApolloError, GrowthReport, Role, StackGrowth};
use crate::expand::{Expander, ExpanderConfig};
use crate::optim::{MomentPolicy, inherit};
use crate::stack::{Growable, ParamOrigin};
use crate::wire::{ParamInfo, PathVisitor, is_distributed, mix, walk};

/// A growth that is asked for by [`Apollo::grow`]: the plan's own in everything that is not set.
///
/// ```
/// use burn_apollo::apollo::GrowthRequest;
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
    expander: Option<ExpanderConfig>,
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
    pub fn with_expander(self, expander: impl Into<ExpanderConfig>) -> Self {
        Self { expander: Some(expander.into()), ..self }
    }

    /// With another inheritance of optimizer state than the plan's.
    pub fn with_moments(self, moments: MomentPolicy) -> Self {
        Self { moments: Some(moments), ..self }
    }
}

impl<M: Growable, R: Role> Apollo<M, R> {
    /// Grows before the next step, whatever the policy says: for a training loop that decides itself. The policy goes
    /// on from the new stage. A [`branch`](Self::branch) tries a growth without committing to it.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Growth`] with the cause; the model and the optimizer are as they were.
    pub fn grow(
        &mut self,
        optim: &mut ModuleOptimizer,
        request: &GrowthRequest,
    ) -> Result<GrowthReport, ApolloError> {
        let (current, stages) = (self.stage(), self.timeline().stages());
        let (stage, step) = (request.stage.unwrap_or(current + 1), self.position.step);
        let failed = |e: ApolloError| ApolloError::Growth { stage, step, cause: Box::new(e) };
        if stage <= current || stage >= stages {
            return Err(failed(other!(
                "a growth to stage {stage} was asked for in stage {current} of a schedule with {stages} stages, from 0"
            )));
        }
        // All happens on clones, so that whatever fails can be dropped, a panic halfway included: Burn panics where
        // a device has no memory left.
        let (grown, report, grown_optim) = self.grown(optim, request, stage).map_err(failed)?;
        *self = grown;
        *optim = grown_optim;
        self.draw_depth()?;
        Ok(report)
    }

    fn grown(
        &self,
        optim: &ModuleOptimizer,
        request: &GrowthRequest,
        stage: usize,
    ) -> Result<(Self, GrowthReport, ModuleOptimizer), ApolloError> {
        let mut grown = self.clone();
        let (stacks, origins) = grown.grow_model(request, stage)?;
        let plan = &self.plan.plan;
        let paths = ParamInfo::all(grown.model()).into_iter().map(|p| (p.id, p.path)).collect();
        let moments = request.moments.unwrap_or(plan.moments);
        let (optim, state) = inherit(optim, &origins, &paths, moments, &plan.moment_orders)
            .map_err(ApolloError::Other)?;
        grown.position.grew(stage, stacks.iter().map(|stack| stack.map.clone()).collect());
        grown.begin_stage()?;
        let report = GrowthReport {
            step: self.position.step,
            stage,
            stacks,
            params_before: self.model().num_params(),
            params_after: grown.model().num_params(),
            state,
            lr_factor: grown.lr_factor(),
        };
        self.device.sync().map_err(|e| ApolloError::Device(e.to_string()))?;
        Ok((grown, report, optim))
    }

    /// Grows the stacks to the layers of `stage`; the optimizer is not looked at.
    pub(super) fn grow_model(
        &mut self,
        request: &GrowthRequest,
        stage: usize,
    ) -> Result<(Vec<StackGrowth>, Vec<ParamOrigin>), ApolloError> {
        let (plan, device) = (self.plan.clone(), self.device.clone());
        let (expander, new_layers) =
            (request.expander.as_ref().unwrap_or(&plan.plan.expander), &plan.plan.new_layers);
        let distributed = walk(self.model(), AnyDistributed(false)).0;
        let (mut growths, mut origins) = (Vec::new(), Vec::new());
        for (i, stack) in plan.stacks(self.model_mut())?.into_iter().enumerate() {
            let (from, to) = (stack.unique_layers(), plan.timeline.layers(stage)[i]);
            let map = (from > 0).then(|| expander.map(from, to)).transpose()?;
            if let Some(map) = &map {
                plan.check_growth(i, map)?;
            }
            let seed = mix(mix(plan.plan.seed, stage as u64), i as u64);
            let params = match &map {
                _ if from == to => Vec::new(),
                Some(map) => stack.grow(map, stage, seed, new_layers),
                None => stack
                    .initialise(to, seed, &device, distributed, new_layers)
                    .ok_or_else(|| plan.no_initialiser(i))?,
            };
            let zeroed = params.iter().filter(|param| param.zeroed).count();
            origins.extend(params);
            growths.push(StackGrowth { from, to, map, zeroed });
        }
        Ok((growths, origins))
    }
}

/// Whether some parameter's gradients are reduced over the workers of distributed training.
struct AnyDistributed(bool);

impl PathVisitor for AnyDistributed {
    fn float<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
        self.0 |= param.is_initialized() && is_distributed(&param.base());
    }
}
