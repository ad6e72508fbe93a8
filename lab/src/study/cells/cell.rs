use burn_apollo::Plan;
use burn_apollo::cost::PlanCost;
use serde::{Deserialize, Serialize};

use super::kind::CellKind;
use super::setup::Setup;
use crate::config::OptimizerKind;
use crate::error::Result;

/// One training of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Cell {
    /// Its name, made of all that follows but the plan.
    pub name: String,
    /// What is trained.
    #[serde(rename = "recipe")]
    pub kind: CellKind,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// The peak learning rate.
    pub lr: f64,
    /// The operations that it should cost, as a share of the longest training from scratch.
    pub share: f64,
    /// The seed.
    pub seed: u64,
    /// The plan.
    pub plan: Plan,
    /// Steps between two validations, and checkpoints.
    #[serde(skip)]
    pub every: u64,
}

impl Cell {
    pub fn new(
        setup: &Setup,
        kind: CellKind,
        optimizer: OptimizerKind,
        lr: f64,
        share: f64,
        seed: u64,
    ) -> Result<Self> {
        let name = format!("{kind}-{}-lr{lr}-x{share}-s{seed}", optimizer.name());
        let plan = plan(setup, &kind, share)?.with_seed(seed);
        let config = &setup.config;
        let steps = if config.warm_up.is_some() { config.steps } else { plan.steps };
        let every = (steps / config.validations.max(1)).max(1);
        Ok(Self { name, kind, optimizer, lr, share, seed, plan, every })
    }

    /// The same cell, by the plan that the study has for it now.
    pub fn planned(&self, setup: &Setup) -> Result<Self> {
        Self::new(setup, self.kind.clone(), self.optimizer, self.lr, self.share, self.seed)
    }
}

/// The plan, as long as it takes to cost the share of the operations; a pilot's as long as that from scratch.
fn plan(setup: &Setup, kind: &CellKind, share: f64) -> Result<Plan> {
    let (config, shape, full) = (&setup.config, setup.shape_of(kind), &setup.shape);
    let of = |steps: u64| config.plan(kind, steps, &shape.targets);
    let cost = match kind {
        CellKind::Pilot(_) => 1.0,
        // Stages are fractions of a run, so its cost rises in proportion to its steps.
        _ => {
            let scratch = full.cost.training(&full.targets) * config.steps as f64;
            let cost = PlanCost::of(&of(config.steps)?, &shape.targets, &shape.cost, 1);
            cost.map_or(1.0, |cost| cost.operations / scratch)
        }
    };
    of(((share * config.steps as f64 / cost).round() as u64).max(10))
}
