//! What checkpoints of format 1 hold otherwise: losses apart from other numbers, and plans with samplers, expanders and
//! policies by what their `Debug` prints.

use serde::{Deserialize, Serialize};

use crate::apollo::Apollo;
use crate::depth::DrawPer;
use crate::expand::NewLayers;
use crate::optim::MomentPolicy;
use crate::plan::{EarlySampler, PlanError};
use crate::policy::{Measurement, number};
use crate::schedule::{LayerRates, LrAtGrowth, Schedule, Stage, Timeline, Until};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanV1 {
    steps: u64,
    targets: Vec<usize>,
    /// Unique layers of each stack, stage by stage.
    layers: Vec<Vec<usize>>,
    /// The step at which each stage ends at the latest.
    ends: Vec<u64>,
    sampler: String,
    expander: String,
    #[serde(default)]
    new_layers: NewLayers,
    policy: String,
    moments: MomentPolicy,
    lr_at_growth: LrAtGrowth,
    /// These two are later than the format, so that a run with others is another run.
    #[serde(default, skip_serializing_if = "LayerRates::are_equal")]
    layer_rates: LayerRates,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    early_samplers: Vec<EarlySampler>,
    seed: u64,
    draw_per: DrawPer,
    step_seeds: bool,
}

impl PlanV1 {
    /// The plan of a run as format 1 would have written it.
    pub(super) fn of<M>(apollo: &Apollo<M>) -> Self {
        let (plan, timeline) = (apollo.plan(), apollo.timeline());
        Self {
            steps: timeline.steps(),
            targets: apollo.targets().to_vec(),
            layers: (0..timeline.stages()).map(|s| timeline.layers(s).to_vec()).collect(),
            ends: (0..timeline.stages()).map(|s| timeline.end(s)).collect(),
            sampler: plan.sampler.debug(),
            expander: plan.expander.debug(),
            new_layers: plan.new_layers.clone(),
            policy: plan.policy.debug(),
            moments: plan.moments,
            lr_at_growth: plan.lr_at_growth,
            layer_rates: plan.layer_rates.clone(),
            early_samplers: plan.early_samplers.clone(),
            seed: plan.seed,
            draw_per: plan.draw_per,
            step_seeds: plan.step_seeds,
        }
    }
}

impl PlanV1 {
    /// The stages of the run.
    pub(super) fn timeline(&self) -> Result<Timeline, PlanError> {
        let stage = |(layers, end): (&Vec<usize>, &u64)| Stage {
            layers: layers.clone(),
            until: Some(Until::Step(*end)),
        };
        let schedule = Schedule { stages: self.layers.iter().zip(&self.ends).map(stage).collect() };
        Ok(schedule.timeline(self.steps, &self.targets)?)
    }

    pub(super) fn has_other_policy<M>(&self, apollo: &Apollo<M>) -> bool {
        self.policy != apollo.plan().policy.debug()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LossV1 {
    step: u64,
    #[serde(with = "number")]
    loss: f64,
}

impl From<LossV1> for Measurement {
    fn from(LossV1 { step, loss }: LossV1) -> Self {
        Self::loss(step, loss, 0)
    }
}
