use std::collections::BTreeMap;
use std::path::Path;

use burn_apollo::cost::{PlanCost, StageCost};
use serde::{Deserialize, Serialize};

use super::found::{CellResult, Found};
use super::ladder::{Cost, Ladders, OPERATIONS, STEPS, seconds};
use super::pilot::{self, Mixing};
use super::step_time::StepTime;
use super::{Asked, SCRATCH, StudyConfig, measures};
use crate::error::Result;
use crate::optimizer::OptimizerKind;

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
    /// Those of them that were not trained, because another training that begins alike had done them.
    #[serde(default)]
    pub shared_steps: u64,
    /// Why cells failed, by name.
    pub failed: BTreeMap<String, String>,
}

/// A recipe with an optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The recipe's name, or the shallower model's.
    pub recipe: String,
    /// The layers of a shallower model, trained from scratch and alone ([`StudyConfig::depths`]); none for a recipe's, which
    /// ends with the full model.
    #[serde(default)]
    pub depth: Option<usize>,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// The best learning rate of the grid.
    pub lr: f64,
    /// Whether the best rate lies at an end of the grid: a better one may lie beyond it.
    pub lr_at_end: bool,
    /// Its lengths, from the shortest.
    pub lengths: Vec<Length>,
    /// What it saves against training from scratch with the same optimizer.
    pub same: Saving,
    /// What it saves against training from scratch with the optimizer that does best there.
    pub best: Saving,
    /// Its loss, read at as many steps as the longest training from scratch with the same optimizer has, less that
    /// training's; none where its lengths do not reach so far.
    pub at_equal_steps: Option<Spread>,
    /// What it saves on the way to the losses of the trainings from scratch of each length, from the shortest.
    pub goals: Vec<Goal>,
    /// The longest training on its way, at its validations: steps, operations, and the full model's loss, means over the
    /// seeds.
    pub course: Vec<(f64, f64, f64)>,
    /// The stages of the longest training, with unique layers and expected depths.
    pub stages: Vec<StageCost>,
    /// The task's own measures of the longest trainings, one for each seed.
    #[serde(default)]
    pub measures: BTreeMap<String, Vec<f64>>,
    /// Shares of right answers of the longest trainings by their position, means over the seeds; empty where answers have none.
    #[serde(default)]
    pub by_position: Vec<f64>,
}

/// The trainings of a length: means over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Length {
    /// The operations that they should cost, as a share of the longest training from scratch.
    pub share: f64,
    /// Optimizer steps.
    pub steps: f64,
    /// Operations.
    pub operations: f64,
    /// Seconds of the steps, by the study's clock.
    pub seconds: f64,
    /// The final loss of the full model.
    pub loss: Spread,
    /// That less the loss of training from scratch with the same optimizer at the same length, seed by seed.
    pub difference: Option<Spread>,
}

/// What is saved on the way to the final loss of training from scratch, as shares of what that costs; seed by seed, those
/// seeds that reached it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Saving {
    /// Of operations.
    pub operations: Option<Spread>,
    /// Of seconds.
    pub seconds: Option<Spread>,
    /// Seeds that did not reach the loss within the lengths of the study.
    pub not_reached: usize,
    /// Seeds whose shortest length reaches the loss already: they may save more.
    pub at_least: usize,
}

/// What is saved on the way to the loss of a length of training from scratch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Goal {
    /// Items that this training from scratch sees for each parameter of the full model.
    pub items_per_parameter: f64,
    /// What is saved.
    pub saving: Saving,
}

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with one degree of freedom less than seeds; 0 for one seed.
    pub deviation: f64,
    /// How many.
    pub count: usize,
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        (count > 0).then_some(Self { mean, deviation, count })
    }
}

impl Entry {
    /// Whether this is training from scratch, which the others are held against.
    pub fn is_scratch(&self) -> bool {
        self.recipe == SCRATCH
    }

    /// Whether a recipe that grows the model is compared here: neither training from scratch nor a shallower model.
    pub fn is_grown(&self) -> bool {
        !self.is_scratch() && self.depth.is_none()
    }
}

/// The entry of training from scratch with an optimizer.
pub(super) fn scratch(entries: &[Entry], optimizer: OptimizerKind) -> Option<&Entry> {
    entries.iter().find(|entry| entry.is_scratch() && entry.optimizer == optimizer)
}

/// A recipe with an optimizer, its best rate and its trainings.
struct Tuned<'a> {
    recipe: String,
    optimizer: OptimizerKind,
    lr: f64,
    ladders: Ladders<'a>,
}

impl Comparison {
    /// What the study in a folder came to, by its `compare.json` alone: neither the task nor its data are needed.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that does not say what the study was asked for.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        Self::of(&Found::read(folder)?)
    }

    pub(super) fn of(found: &Found) -> Result<Self> {
        let asked = found.asked()?;
        let Asked { config, shape, items, unit, .. } = asked;
        let mut all = Vec::new();
        for optimizer in config.optimizers.iter().copied() {
            for recipe in config.names() {
                if let Some(lr) = found.best_rate(config, &recipe, optimizer) {
                    let ladders = Ladders::of(config, found, (&recipe, optimizer, lr));
                    all.push(Tuned { recipe, optimizer, lr, ladders });
                }
            }
        }
        let parameters = found.results().map(|found| found.parameters).max().unwrap_or(1);
        let compared = Compared {
            asked,
            all: &all,
            longest: config.longest(),
            items_per_parameter: shape.items as f64 / parameters as f64,
        };
        let entries: Vec<Entry> = all.iter().map(|tuned| compared.entry(tuned)).collect();
        Ok(Self {
            mixing: pilot::mixing(config, found, &entries),
            study: found.study().clone(),
            items: items.clone(),
            unit: unit.clone(),
            entries,
            items_per_parameter: config.steps as f64 * compared.items_per_parameter,
            steps: found.results().map(|found| found.cell.plan.steps).sum(),
            shared_steps: found.results().map(|found| found.shared_steps).sum(),
            step_times: StepTime::of(asked, found),
            failed: found.failed().clone(),
            config: config.clone(),
        })
    }
}

/// What the entries of a comparison are made of.
struct Compared<'a> {
    asked: &'a Asked,
    all: &'a [Tuned<'a>],
    /// The length whose losses from scratch the others are held against.
    longest: f64,
    /// Of one step.
    items_per_parameter: f64,
}

impl Compared<'_> {
    fn scratch(&self, optimizer: OptimizerKind) -> Option<&Ladders<'_>> {
        let is_scratch = |of: &&Tuned<'_>| of.recipe == SCRATCH && of.optimizer == optimizer;
        self.all.iter().find(is_scratch).map(|tuned| &tuned.ladders)
    }

    /// Training from scratch with the optimizer whose longest ends lowest.
    fn best_scratch(&self) -> Option<&Ladders<'_>> {
        let optimizers = self.asked.config.optimizers.iter();
        let all = optimizers.filter_map(|optimizer| {
            let ladders = self.scratch(*optimizer)?;
            Some((ladders, ladders.loss(self.longest)?.mean))
        });
        all.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(ladders, _)| ladders)
    }

    fn entry(&self, tuned: &Tuned<'_>) -> Entry {
        let Tuned { recipe, optimizer, lr, ladders } = tuned;
        let rates = &self.asked.config.learning_rates;
        let end = |rate: &f64| rates.iter().all(|r| r <= rate) || rates.iter().all(|r| r >= rate);
        let scratch = self.scratch(*optimizer);
        let saving = |scratch: Option<&Ladders<'_>>| {
            scratch
                .map_or_else(Saving::default, |scratch| self.saving(ladders, scratch, self.longest))
        };
        let longest = ladders.shares().last().copied().unwrap_or(self.longest);
        Entry {
            recipe: recipe.clone(),
            depth: self.asked.config.depth_of(recipe),
            optimizer: *optimizer,
            lr: *lr,
            lr_at_end: rates.len() > 1 && end(lr),
            lengths: self.lengths(ladders, scratch),
            same: saving(scratch),
            best: saving(self.best_scratch()),
            at_equal_steps: scratch
                .and_then(|scratch| ladders.difference_at_steps(scratch, self.longest)),
            goals: scratch.map_or_else(Vec::new, |scratch| self.goals(ladders, scratch)),
            course: course(ladders.at(longest), self.asked.config.validations),
            stages: ladders.at(longest).next().map_or_else(Vec::new, |result| self.stages(result)),
            measures: measures::by_name(ladders.at(longest)),
            by_position: measures::by_position(ladders.at(longest)),
        }
    }

    fn lengths(&self, ladders: &Ladders<'_>, scratch: Option<&Ladders<'_>>) -> Vec<Length> {
        let clock = seconds(self.asked.config.clock);
        let length = |share: f64| {
            let mean = |of| ladders.spread(share, of).map(|spread| spread.mean);
            Some(Length {
                share,
                steps: mean(STEPS)?,
                operations: mean(OPERATIONS)?,
                seconds: mean(clock)?,
                loss: ladders.loss(share)?,
                difference: scratch.and_then(|scratch| ladders.difference(scratch, share)),
            })
        };
        ladders.shares().into_iter().filter_map(length).collect()
    }

    /// What is saved on the way to the losses of the trainings from scratch of a length.
    fn saving(&self, ladders: &Ladders<'_>, scratch: &Ladders<'_>, share: f64) -> Saving {
        let clock = seconds(self.asked.config.clock);
        let saved = |of: fn(&CellResult) -> f64| {
            let costs = ladders.costs(scratch, share, of);
            let saved = costs.iter().filter_map(|(goal, cost)| {
                let (Cost::Read(cost) | Cost::AtMost(cost)) = (*cost)?;
                Some(1.0 - cost / of(goal))
            });
            Spread::of(&saved.collect::<Vec<_>>())
        };
        let costs = ladders.costs(scratch, share, OPERATIONS);
        let count =
            |of: fn(&Option<Cost>) -> bool| costs.iter().filter(|(_, cost)| of(cost)).count();
        Saving {
            operations: saved(OPERATIONS),
            seconds: saved(clock),
            not_reached: count(Option::is_none),
            at_least: count(|cost| matches!(cost, Some(Cost::AtMost(_)))),
        }
    }

    fn goals(&self, ladders: &Ladders<'_>, scratch: &Ladders<'_>) -> Vec<Goal> {
        let goal = |share: f64| {
            let steps = scratch.spread(share, STEPS)?.mean;
            let saving = self.saving(ladders, scratch, share);
            Some(Goal { items_per_parameter: steps * self.items_per_parameter, saving })
        };
        scratch.shares().into_iter().filter_map(goal).collect()
    }

    /// None where the plan does not fit the model: a file that was written by hand.
    fn stages(&self, result: &CellResult) -> Vec<StageCost> {
        let shape = self.asked.shape_of(&result.cell.recipe);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        let spread = Spread::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.deviation, spread.count), (2.0, 1.0, 3));
        assert_eq!(Spread::of(&[5.0]).unwrap().deviation, 0.0);
        assert_eq!(Spread::of(&[]), None);
    }
}
