use serde::{Deserialize, Serialize};

use super::Apollo;
use crate::depth::DrawPer;
use crate::expand::NewLayers;
use crate::optim::MomentPolicy;
use crate::schedule::LrAtGrowth;

/// The plan of a run as data: what a run is a function of, beside its model, optimizer and data.
///
/// A [`checkpoint`](crate::checkpoint) carries it, so that a run does not go on by another plan unnoticed. Samplers,
/// expanders and policies are told apart by what their `Debug` prints, which should therefore be their parameters and
/// nothing that changes. Not part of it: [`NotFinite`](crate::NotFinite), which a run may change on its way, and
/// [`MomentOrders`](crate::optim::MomentOrders) of optimizers of your own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDescription {
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// Target depth of each stack.
    pub targets: Vec<usize>,
    /// Unique layers of each stack, stage by stage.
    pub layers: Vec<Vec<usize>>,
    /// The step at which each stage ends at the latest.
    pub ends: Vec<u64>,
    /// The sampler, as its `Debug` prints it.
    pub sampler: String,
    /// The expander, as its `Debug` prints it.
    pub expander: String,
    /// What the new layers of a growth begin as; copies, where a description does not say.
    #[serde(default)]
    pub new_layers: NewLayers,
    /// The growth policy before its first decision, as its `Debug` prints it.
    pub policy: String,
    /// What the optimizer state of copied layers becomes.
    pub moments: MomentPolicy,
    /// What the learning rate does at a growth.
    pub lr_at_growth: LrAtGrowth,
    /// The seed of depths, new layers and steps.
    pub seed: u64,
    /// How often a depth is drawn.
    pub draw_per: DrawPer,
    /// Whether the device's generator is seeded for every step.
    pub step_seeds: bool,
}

impl<M> Apollo<M> {
    /// The plan as data.
    pub fn describe(&self) -> PlanDescription {
        let (config, timeline) = (&self.plan.config, &self.plan.timeline);
        PlanDescription {
            steps: timeline.steps(),
            targets: self.plan.targets.clone(),
            layers: (0..timeline.stages()).map(|s| timeline.layers(s).to_vec()).collect(),
            ends: (0..timeline.stages()).map(|s| timeline.end(s)).collect(),
            sampler: format!("{:?}", config.sampler),
            expander: format!("{:?}", config.expander),
            new_layers: config.new_layers.clone(),
            policy: format!("{:?}", config.policy),
            moments: config.moments,
            lr_at_growth: config.lr_at_growth,
            seed: config.seed,
            draw_per: config.draw_per,
            step_seeds: config.step_seeds,
        }
    }
}
