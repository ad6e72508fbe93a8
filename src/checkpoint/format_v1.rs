//! What checkpoints of format 1 hold otherwise: losses apart from other numbers, and plans with samplers, expanders and
//! policies by what their `Debug` prints.

use serde::{Deserialize, Serialize};

use crate::apollo::Apollo;
use crate::depth::{DrawPer, Sampler};
use crate::expand::{Expansion, NewLayers};
use crate::optim::MomentPolicy;
use crate::plan::{EarlySampler, PlanError};
use crate::policy::{Measurement, Policy};
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
            sampler: sampler(&plan.sampler),
            expander: expander(&plan.expander),
            new_layers: plan.new_layers.clone(),
            policy: policy(&plan.policy),
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
        schedule.timeline(self.steps, &self.targets)
    }

    pub(super) fn has_other_policy<M>(&self, apollo: &Apollo<M>) -> bool {
        self.policy != policy(&apollo.plan().policy)
    }
}

fn sampler(sampler: &Sampler) -> String {
    match sampler {
        Sampler::Lvps(lvps) => format!("{lvps:?}"),
        Sampler::Uniform => "Uniform".to_owned(),
        Sampler::Sigmoid => "Sigmoid".to_owned(),
        Sampler::ConstantHigh => "ConstantHigh".to_owned(),
        Sampler::ConstantLow => "ConstantLow".to_owned(),
        Sampler::Custom(custom) => {
            let supplied = custom.supplied("sampler", "Sampler");
            supplied.map_or_else(|_| custom.name().to_owned(), |own| format!("{own:?}"))
        }
    }
}

fn expander(expander: &Expansion) -> String {
    match expander {
        Expansion::Interpolation => "Interpolation".to_owned(),
        Expansion::Stacking => "Stacking".to_owned(),
        Expansion::MiddleStacking(middle) => format!("{middle:?}").replace(", centred: false", ""),
        Expansion::Custom(custom) => {
            let supplied = custom.supplied("expander", "Expansion");
            supplied.map_or_else(|_| custom.name().to_owned(), |own| format!("{own:?}"))
        }
    }
}

fn policy(policy: &Policy) -> String {
    let built = policy.build().map(|own| format!("{own:?}").replace(", tracked: None", ""));
    built.unwrap_or_else(|_| policy.name().to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LossV1 {
    step: u64,
    loss: serde_json::Value,
}

impl From<LossV1> for Measurement {
    fn from(LossV1 { step, loss }: LossV1) -> Self {
        let text = || loss.as_str()?.parse().ok();
        Self::loss(step, loss.as_f64().or_else(text).unwrap_or(f64::NAN), 0)
    }
}
