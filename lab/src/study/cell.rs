use burn_apollo::Plan;
use burn_apollo::cost::PlanCost;
use serde::{Deserialize, Serialize};

use super::Asked;
use super::pilot::{PILOT, early};
use crate::error::Result;
use crate::optimizer::OptimizerKind;

/// One training of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Its name, made of all that follows but the plan.
    pub name: String,
    /// The recipe's name, as the study has it.
    pub recipe: String,
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
    pub(super) every: u64,
}

impl Cell {
    pub(super) fn new(
        asked: &Asked,
        recipe: &str,
        optimizer: OptimizerKind,
        lr: f64,
        share: f64,
        seed: u64,
    ) -> Result<Self> {
        let name = format!("{recipe}-{}-lr{lr}-x{share}-s{seed}", optimizer.name());
        let plan = plan(asked, recipe, share)?.with_seed(seed);
        let config = &asked.config;
        // Cells whose beginnings are alike are validated alike.
        let steps = if config.warm_up.is_some() { config.steps } else { plan.steps };
        let every = (steps / config.validations.max(1)).max(1);
        Ok(Self { name, recipe: recipe.to_owned(), optimizer, lr, share, seed, plan, every })
    }

    /// The cell of a name.
    pub(super) fn by_name(name: &str, asked: &Asked) -> Option<Self> {
        let mut parts = name.rsplitn(5, '-');
        let seed = parts.next()?.strip_prefix('s')?.parse().ok()?;
        let share = parts.next()?.strip_prefix('x')?.parse().ok()?;
        let lr = parts.next()?.strip_prefix("lr")?.parse().ok()?;
        let kind = parts.next()?;
        let optimizer = [OptimizerKind::AdamW, OptimizerKind::Muon]
            .into_iter()
            .find(|optimizer| optimizer.name() == kind)?;
        Self::new(asked, parts.next()?, optimizer, lr, share, seed).ok()
    }
}

/// The recipe's plan, as long as it takes to cost the share of the operations; a pilot's as long as that from scratch.
fn plan(asked: &Asked, recipe: &str, share: f64) -> Result<Plan> {
    let (config, shape) = (&asked.config, asked.shape_of(recipe));
    let of = |recipe: &str, steps: u64| config.plan(recipe, steps, &shape.targets);
    let as_long = |cost: f64| ((share * config.steps as f64 / cost).round() as u64).max(10);
    if let Some(recipe) = recipe.strip_suffix(PILOT) {
        let plan = of(recipe, as_long(1.0))?;
        return Ok(early(plan.clone(), &shape.targets).unwrap_or(plan));
    }
    // Stages are fractions of a run, so its cost rises in proportion to its steps.
    let plan = of(recipe, config.steps)?;
    let full = &asked.shape;
    let scratch = full.cost.training(&full.targets) * config.steps as f64;
    let cost = PlanCost::of(&plan, &shape.targets, &shape.cost, 1);
    of(recipe, as_long(cost.map_or(1.0, |cost| cost.operations / scratch)))
}
