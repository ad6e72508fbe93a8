use std::collections::BTreeMap;
use std::path::Path;

use burn_apollo::cost::{PlanCost, StageCost};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Goal, Length, Saving, Spread};
use super::measures;
use super::mixing::{Mixing, mixing};
use super::scaling::{Cost, OPERATIONS, STEPS, Scaling, seconds};
use super::step_time::StepTime;
use crate::config::OptimizerKind;
use crate::error::Result;
use crate::study::cells::{CellKind, CellResult, Setup, StudyConfig, StudyResults};

/// What a study came to, recipe by recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// What the study was asked for.
    pub config: StudyConfig,
    /// What all trainings share: the task's own part of the configuration, batch, optimizer settings, steps.
    pub study: serde_json::Value,
    /// What items are: tokens, images.
    pub items: String,
    /// What the loss is measured in; empty if it has no name.
    pub unit: String,
    /// Recipes with each optimizer, training from scratch first.
    pub entries: Vec<Entry>,
    /// Items (tokens, images) that the longest training from scratch sees for each parameter of the full model.
    pub items_per_parameter: f64,
    /// What a step takes, by optimizer.
    pub step_times: Vec<StepTime>,
    /// How soon grown models catch up, as far as that is known.
    #[serde(default)]
    pub mixing: Vec<Mixing>,
    /// Optimizer steps of all trainings.
    #[serde(default)]
    pub steps: u64,
    /// Those of them that were done once for trainings that begin alike, in studies of the first versions.
    #[serde(default)]
    pub shared_steps: u64,
    /// Why cells failed, by name.
    pub failed: BTreeMap<String, String>,
}

/// A recipe with an optimizer, its best rate and its trainings.
struct Tuned<'a> {
    kind: CellKind,
    optimizer: OptimizerKind,
    lr: f64,
    curves: Scaling<'a>,
}

impl Comparison {
    /// What the study in a folder came to, by its `compare.json` alone: neither the task nor its data are needed.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that does not say what the study was asked for.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        Ok(Self::of(&StudyResults::read(folder)?))
    }

    pub(in crate::study) fn of(found: &StudyResults) -> Self {
        let setup = &found.setup;
        let config = &setup.config;
        let mut all = Vec::new();
        for optimizer in config.optimizers.iter().copied() {
            for kind in config.kinds() {
                if let Some(lr) = found.best_rate(config, &kind, optimizer) {
                    let curves = Scaling::of(config, found, (&kind, optimizer, lr));
                    all.push(Tuned { kind, optimizer, lr, curves });
                }
            }
        }
        let parameters = found.all().map(|found| found.parameters).max().unwrap_or(1);
        let items_per_parameter = setup.shape.items as f64 / parameters as f64;
        let longest = config.longest();
        let compared = Compared { setup, all: &all, longest, items_per_parameter };
        let entries: Vec<Entry> = all.iter().map(|tuned| compared.entry(tuned)).collect();
        Self {
            mixing: mixing(config, found, &entries),
            study: found.study.clone(),
            items: setup.items.clone(),
            unit: setup.unit.clone(),
            entries,
            items_per_parameter: config.steps as f64 * items_per_parameter,
            steps: found.all().map(|found| found.cell.plan.steps).sum(),
            shared_steps: found.all().map(|found| found.shared_steps).sum(),
            step_times: StepTime::of(setup, found),
            failed: found.failed.clone(),
            config: config.clone(),
        }
    }
}

/// What the entries of a comparison are made of.
struct Compared<'a> {
    setup: &'a Setup,
    all: &'a [Tuned<'a>],
    /// The length whose losses from scratch the others are held against.
    longest: f64,
    /// Of one step.
    items_per_parameter: f64,
}

impl Compared<'_> {
    fn scratch(&self, optimizer: OptimizerKind) -> Option<&Scaling<'_>> {
        let is_scratch =
            |of: &&Tuned<'_>| of.kind == CellKind::Scratch && of.optimizer == optimizer;
        self.all.iter().find(is_scratch).map(|tuned| &tuned.curves)
    }

    /// Training from scratch with the optimizer whose longest ends lowest.
    fn best_scratch(&self) -> Option<&Scaling<'_>> {
        let optimizers = self.setup.config.optimizers.iter();
        let all = optimizers.filter_map(|optimizer| {
            let curves = self.scratch(*optimizer)?;
            Some((curves, curves.loss(self.longest)?.mean))
        });
        all.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(curves, _)| curves)
    }

    fn entry(&self, tuned: &Tuned<'_>) -> Entry {
        let Tuned { kind, optimizer, lr, curves } = tuned;
        let rates = &self.setup.config.learning_rates;
        let end = |rate: &f64| rates.iter().all(|r| r <= rate) || rates.iter().all(|r| r >= rate);
        let scratch = self.scratch(*optimizer);
        let saving = |scratch: Option<&Scaling<'_>>| {
            scratch
                .map_or_else(Saving::default, |scratch| self.saving(curves, scratch, self.longest))
        };
        let longest = curves.shares().last().copied().unwrap_or(self.longest);
        Entry {
            kind: kind.clone(),
            optimizer: *optimizer,
            lr: *lr,
            lr_at_end: rates.len() > 1 && end(lr),
            lengths: self.lengths(curves, scratch),
            same: saving(scratch),
            best: saving(self.best_scratch()),
            at_equal_steps: scratch
                .and_then(|scratch| curves.difference_at_steps(scratch, self.longest)),
            goals: scratch.map_or_else(Vec::new, |scratch| self.goals(curves, scratch)),
            course: course(curves.at(longest), self.setup.config.validations),
            stages: curves.at(longest).next().map_or_else(Vec::new, |result| self.stages(result)),
            measures: measures::by_name(curves.at(longest)),
            by_position: measures::by_position(curves.at(longest)),
        }
    }

    fn lengths(&self, curves: &Scaling<'_>, scratch: Option<&Scaling<'_>>) -> Vec<Length> {
        let clock = seconds(self.setup.config.clock);
        let length = |share: f64| {
            let mean = |of| curves.spread(share, of).map(|spread| spread.mean);
            Some(Length {
                share,
                steps: mean(STEPS)?,
                operations: mean(OPERATIONS)?,
                seconds: mean(clock)?,
                loss: curves.loss(share)?,
                difference: scratch.and_then(|scratch| curves.difference(scratch, share)),
            })
        };
        curves.shares().into_iter().filter_map(length).collect()
    }

    /// What is saved on the way to the losses of the trainings from scratch of a length.
    fn saving(&self, curves: &Scaling<'_>, scratch: &Scaling<'_>, share: f64) -> Saving {
        let clock = seconds(self.setup.config.clock);
        let saved = |of: fn(&CellResult) -> f64| {
            let costs = curves.costs(scratch, share, of);
            let saved = costs.iter().filter_map(|(goal, cost)| {
                let (Cost::Read(cost) | Cost::AtMost(cost)) = (*cost)?;
                Some(1.0 - cost / of(goal))
            });
            Spread::of(&saved.collect::<Vec<_>>())
        };
        let costs = curves.costs(scratch, share, OPERATIONS);
        let count =
            |of: fn(&Option<Cost>) -> bool| costs.iter().filter(|(_, cost)| of(cost)).count();
        Saving {
            operations: saved(OPERATIONS),
            seconds: saved(clock),
            not_reached: count(Option::is_none),
            at_least: count(|cost| matches!(cost, Some(Cost::AtMost(_)))),
        }
    }

    fn goals(&self, curves: &Scaling<'_>, scratch: &Scaling<'_>) -> Vec<Goal> {
        let goal = |share: f64| {
            let steps = scratch.spread(share, STEPS)?.mean;
            let saving = self.saving(curves, scratch, share);
            Some(Goal { items_per_parameter: steps * self.items_per_parameter, saving })
        };
        scratch.shares().into_iter().filter_map(goal).collect()
    }

    /// None where the plan does not fit the model: a file that was written by hand.
    fn stages(&self, result: &CellResult) -> Vec<StageCost> {
        let shape = self.setup.shape_of(&result.cell.kind);
        PlanCost::of(&result.cell.plan, &shape.targets, &shape.cost, shape.items)
            .map_or_else(|_| Vec::new(), |cost| cost.stages)
    }
}

/// Steps, operations and loss at the validations of trainings of one plan, means over the seeds.
fn course<'a>(
    results: impl Iterator<Item = &'a CellResult>,
    validations: u64,
) -> Vec<(f64, f64, f64)> {
    let mut sums = BTreeMap::<u64, (f64, f64, f64)>::new();
    let results: Vec<_> = results.collect();
    for result in &results {
        for (steps, (operations, loss)) in steps(result, validations).iter().zip(&result.curve) {
            let sum = sums.entry(*steps).or_default();
            *sum = (sum.0 + operations, sum.1 + loss, sum.2 + 1.0);
        }
    }
    // Where all seeds were validated.
    let all = sums.into_iter().filter(|(_, (.., count))| *count == results.len() as f64);
    all.map(|(steps, (o, l, count))| (steps as f64, o / count, l / count)).collect()
}

/// The steps of a training's validations; files of the first versions lack them.
fn steps(result: &CellResult, validations: u64) -> Vec<u64> {
    if result.curve_steps.len() == result.curve.len() {
        return result.curve_steps.clone();
    }
    let (all, points) = (result.cell.plan.steps, result.curve.len() as u64);
    let every = (all / validations.max(1)).max(1);
    match all.div_ceil(every) == points {
        true => (1..=points).map(|i| (i * every).min(all)).collect(),
        false => Vec::new(),
    }
}
