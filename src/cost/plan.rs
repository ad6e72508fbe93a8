use core::fmt;

use serde::{Deserialize, Serialize};

use super::ModelCost;
use crate::plan::{Plan, PlanError};

/// What a plan will cost, before anything runs: the expectation over its depths, with every growth where the schedule says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanCost {
    /// Stage by stage.
    pub stages: Vec<StageCost>,
    /// Operations of the whole run.
    pub operations: f64,
    /// Operations of training the full model for as many steps.
    pub from_scratch: f64,
}

/// What a stage of a plan will cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageCost {
    /// The first step.
    pub begin: u64,
    /// The first step that no longer belongs to it.
    pub end: u64,
    /// Unique layers, stack by stack.
    pub layers: Vec<usize>,
    /// Expected virtual depth, the mean over the stage's steps, stack by stack.
    pub depths: Vec<f64>,
    /// Operations of the stage.
    pub operations: f64,
}

impl PlanCost {
    /// The cost of a plan for a model whose stacks have these target depths, with `items` items (tokens, images) in a step.
    ///
    /// # Errors
    ///
    /// Where the plan does not fit the stacks.
    pub fn of(
        plan: &Plan,
        targets: &[usize],
        model: &ModelCost,
        items: u64,
    ) -> Result<Self, PlanError> {
        let timeline = plan.timeline(targets)?;
        let mut begin = 0;
        let mut stages = Vec::with_capacity(timeline.stages());
        for stage in 0..timeline.stages() {
            let (layers, end) = (timeline.layers(stage).to_vec(), timeline.end(stage));
            let mean =
                |(unique, target): (&usize, &usize)| plan.mean_depth(begin..end, *unique, *target);
            let depths =
                layers.iter().zip(targets).map(mean).collect::<Result<Vec<_>, PlanError>>()?;
            let items = (end - begin) as f64 * items as f64;
            let operations = items * model.training_mean(depths.iter().copied());
            stages.push(StageCost { begin, end, layers, depths, operations });
            begin = end;
        }
        let operations = stages.iter().map(|stage| stage.operations).sum();
        let from_scratch = plan.steps as f64 * items as f64 * model.training(targets);
        Ok(Self { stages, operations, from_scratch })
    }

    /// The operations as a share of training the full model for as many steps.
    pub fn share(&self) -> f64 {
        self.operations / self.from_scratch
    }
}

/// A table, one line for each stage.
impl fmt::Display for PlanCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>5} {:>17} {:>13} {:>14} {:>12} {:>8}",
            "stage", "steps", "unique layers", "expected depth", "operations", "share"
        )?;
        for (i, stage) in self.stages.iter().enumerate() {
            let steps = format!("{}..{}", stage.begin, stage.end);
            let depth: f64 = stage.depths.iter().sum();
            let layers: usize = stage.layers.iter().sum();
            let operations = stage.operations;
            let share = 100.0 * operations / self.from_scratch;
            write!(f, "{:>5} {steps:>17} {layers:>13} {depth:>14.2} ", i + 1)?;
            writeln!(f, "{operations:>12.3e} {share:>7.1}%")?;
        }
        let total = format!("of {:.3e} from scratch", self.from_scratch);
        write!(f, "{total:>52} {:>12.3e} {:>7.1}%", self.operations, 100.0 * self.share())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depth::{ConstantHigh, ConstantLow};
    use crate::schedule::Schedule;

    #[test]
    fn a_plan_from_scratch_costs_what_it_costs() {
        let plan =
            Plan::new(50).with_schedule(Schedule::from_scratch(&[4, 2])).with_sampler(ConstantLow);
        let model = ModelCost::of_layers(vec![2.0, 3.0], 1.0);
        let cost = PlanCost::of(&plan, &[4, 2], &model, 10).unwrap();
        assert_eq!((cost.operations, cost.share()), (50.0 * 10.0 * 3.0 * 15.0, 1.0));
    }

    #[test]
    fn stages_add_up() {
        let plan = Plan::new(100)
            .with_schedule(Schedule::one_hop(&[1], &[4], 0.75))
            .with_sampler(ConstantLow);
        let model = ModelCost::of_layer(1.0, 0.0);
        let cost = PlanCost::of(&plan, &[4], &model, 1).unwrap();
        assert_eq!(cost.stages.len(), 2);
        assert_eq!((cost.stages[0].operations, cost.stages[1].operations), (225.0, 300.0));
        assert_eq!(cost.share(), 525.0 / 1200.0);
        let high = PlanCost::of(&plan.with_sampler(ConstantHigh), &[4], &model, 1).unwrap();
        assert_eq!(high.share(), 1.0);
        assert!(high.to_string().contains("0..75"), "{high}");
    }
}
