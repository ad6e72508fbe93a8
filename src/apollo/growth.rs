use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;

use super::{Apollo, ApolloError, GrowthReport, StackGrowth};
use crate::expand::{LayerMap, NewLayers};
use crate::optim::inherit;
use crate::panic::panic_message;
use crate::schedule::{Decision, Observation};
use crate::stack::{
    Growable, GrowableStack, LayerParam, LayerSource, ParamOrigin, is_distributed, mix, zeroed,
};

impl<M: Growable> Apollo<M> {
    pub(super) fn should_grow(&mut self) -> bool {
        let (stage, timeline) = (self.stage(), &self.plan.timeline);
        let (losses, heard) = self.plan.config.losses.since(self.losses_heard);
        self.losses_heard = heard;
        if stage + 1 >= timeline.stages() {
            return false;
        }
        let decision = self.policy.decide(&Observation {
            step: self.progress.step,
            stage,
            stage_start: self.progress.growths.last().copied().unwrap_or(0),
            stage_end: timeline.end(stage),
            steps: timeline.steps(),
            losses: &losses,
        });
        decision == Decision::Grow
    }

    /// Grows to the next stage. On an error the model and the optimizer are as they were.
    pub(super) fn grow(
        &mut self,
        optim: &mut ModuleOptimizer,
    ) -> Result<GrowthReport, ApolloError> {
        let (stage, step) = (self.stage() + 1, self.progress.step);
        // All happens on clones, so that whatever fails can be dropped, a panic halfway included: Burn panics where
        // a device has no memory left.
        let attempt = AssertUnwindSafe(|| {
            let mut grown = self.clone();
            let (report, grown_optim) = grown.grown(stage, optim)?;
            self.device.sync().map_err(|e| ApolloError::Device(e.to_string()))?;
            Ok((grown, report, grown_optim))
        });
        let (grown, report, grown_optim) = catch_unwind(attempt)
            .unwrap_or_else(|panic| Err(ApolloError::Panicked(panic_message(panic.as_ref()))))
            .map_err(|e| ApolloError::Growth { stage, step, cause: Box::new(e) })?;
        *self = grown;
        *optim = grown_optim;
        Ok(report)
    }

    fn grown(
        &mut self,
        stage: usize,
        optim: &ModuleOptimizer,
    ) -> Result<(GrowthReport, ModuleOptimizer), ApolloError> {
        let params_before = self.model.num_params();
        let (stacks, origins) = self.grow_model(stage)?;
        let config = &self.plan.config;
        let paths = param_paths(&self.model);
        let (optim, state) =
            inherit(optim, &origins, &paths, config.moments, &config.moment_orders)?;
        self.progress.growths.push(self.progress.step);
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
        stage: usize,
    ) -> Result<(Vec<StackGrowth>, Vec<ParamOrigin>), ApolloError> {
        let (plan, device) = (self.plan.clone(), self.device.clone());
        let mut any = AnyDistributed(false);
        self.model.visit(&mut any);
        let AnyDistributed(distributed) = any;
        let (mut growths, mut origins) = (Vec::new(), Vec::new());
        for (i, stack) in plan.stacks(&mut self.model)?.into_iter().enumerate() {
            let (from, to) = (stack.unique_layers(), plan.timeline.layers(stage)[i]);
            let map = match from {
                0 => None,
                _ => Some(plan.map(from, to)?),
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
