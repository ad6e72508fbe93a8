use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::found::{CellResult, Found};
use super::pilot::{self, Mixing};
use super::{Clock, StudyConfig};
use crate::optimizer::OptimizerKind;

/// What a study came to, recipe by recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Recipes with each optimizer, training from scratch first.
    pub entries: Vec<Entry>,
    /// Items (tokens, images) that the longest training from scratch sees for each parameter of the full model.
    pub items_per_parameter: f64,
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
pub struct Entry {
    /// The recipe's name.
    pub recipe: String,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// The best learning rate of the grid.
    pub lr: f64,
    /// Whether the best rate lies at an end of the grid: a better one may lie beyond it.
    pub lr_at_end: bool,
    /// By length: the share of operations, and the losses over the seeds.
    pub losses: Vec<(f64, Spread)>,
    /// What it saves against training from scratch with the same optimizer.
    pub same: Saving,
    /// What it saves against training from scratch with the optimizer that does best there.
    pub best: Saving,
    /// Loss by operations at the ends of its lengths, the mean over the seeds.
    pub curve: Vec<(f64, f64)>,
}

/// What is saved on the way to the final loss of training from scratch, as shares of what that costs; seed by seed, those
/// seeds that reached it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Saving {
    /// Of operations.
    pub operations: Option<Spread>,
    /// Of seconds.
    pub seconds: Option<Spread>,
    /// Seeds that did not reach the loss within the lengths of the study.
    pub not_reached: usize,
}

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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

/// The finished cells of a recipe at its best rate, by seed and then by length.
type Ladders<'a> = BTreeMap<u64, Vec<&'a CellResult>>;

impl Comparison {
    pub(super) fn of(config: &StudyConfig, found: &Found, items_per_step: u64) -> Self {
        let mut all = Vec::new();
        for optimizer in &config.optimizers {
            for recipe in &config.recipes {
                if let Some(lr) = found.best_rate(config, recipe, *optimizer) {
                    all.push((
                        recipe,
                        *optimizer,
                        lr,
                        ladders(config, found, recipe, *optimizer, lr),
                    ));
                }
            }
        }
        let scratch = |optimizer: OptimizerKind| {
            all.iter().find(|(recipe, of, ..)| *recipe == "scratch" && *of == optimizer)
        };
        let longest = config.shares.iter().copied().fold(0.0, f64::max);
        // The optimizer whose scratch runs end lowest.
        let best = config
            .optimizers
            .iter()
            .filter_map(|optimizer| {
                Some((*optimizer, mean_goal(&scratch(*optimizer)?.3, longest)?))
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(optimizer, _)| optimizer);
        let seconds: fn(&CellResult) -> f64 = match config.clock {
            Clock::Wall => |result| result.seconds,
            Clock::Processor => |result| result.cpu_seconds,
        };
        let entries = all.iter().map(|(recipe, optimizer, lr, ladders)| {
            let against = |optimizer: Option<OptimizerKind>| {
                let scratch = optimizer.and_then(scratch);
                scratch.map_or_else(Saving::default, |scratch| {
                    saving(ladders, &scratch.3, longest, seconds)
                })
            };
            let rates = &config.learning_rates;
            let end =
                |rate: &f64| rates.iter().all(|r| r <= rate) || rates.iter().all(|r| r >= rate);
            Entry {
                recipe: (*recipe).clone(),
                optimizer: *optimizer,
                lr: *lr,
                lr_at_end: rates.len() > 1 && end(lr),
                losses: losses(ladders),
                same: against(Some(*optimizer)),
                best: against(best),
                curve: curve(ladders),
            }
        });
        let parameters = found.results().map(|found| found.parameters).max().unwrap_or(1);
        let items = (config.steps * items_per_step) as f64;
        let entries: Vec<Entry> = entries.collect();
        Self {
            mixing: pilot::mixing(config, found, &entries),
            entries,
            items_per_parameter: items / parameters as f64,
            steps: found.results().map(|found| found.cell.plan.steps).sum(),
            shared_steps: found.results().map(|found| found.shared_steps).sum(),
            failed: found.failed().clone(),
        }
    }
}

fn ladders<'a>(
    config: &StudyConfig,
    found: &'a Found,
    recipe: &str,
    optimizer: OptimizerKind,
    lr: f64,
) -> Ladders<'a> {
    let mut ladders = Ladders::new();
    for result in found.results() {
        let cell = &result.cell;
        let asked = config.seeds.contains(&cell.seed) && config.shares.contains(&cell.share);
        if asked && (cell.recipe.as_str(), cell.optimizer, cell.lr) == (recipe, optimizer, lr) {
            ladders.entry(cell.seed).or_default().push(result);
        }
    }
    for ladder in ladders.values_mut() {
        ladder.sort_by(|a, b| a.operations.total_cmp(&b.operations));
    }
    ladders
}

fn losses(ladders: &Ladders<'_>) -> Vec<(f64, Spread)> {
    let mut by_share: Vec<(f64, Vec<f64>)> = Vec::new();
    for result in ladders.values().flatten() {
        match by_share.iter_mut().find(|(share, _)| *share == result.cell.share) {
            Some((_, losses)) => losses.push(result.val_loss),
            None => by_share.push((result.cell.share, vec![result.val_loss])),
        }
    }
    by_share.sort_by(|a, b| a.0.total_cmp(&b.0));
    by_share.iter().filter_map(|(share, losses)| Some((*share, Spread::of(losses)?))).collect()
}

fn curve(ladders: &Ladders<'_>) -> Vec<(f64, f64)> {
    let shares = losses(ladders);
    let operations = |share: f64| {
        let of: Vec<f64> = ladders
            .values()
            .flatten()
            .filter(|result| result.cell.share == share)
            .map(|result| result.operations)
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    shares.iter().map(|(share, loss)| (operations(*share), loss.mean)).collect()
}

/// The training from scratch of a seed that the others are held against: the longest of the study.
fn goal<'a>(ladder: &[&'a CellResult], longest: f64) -> Option<&'a CellResult> {
    ladder.iter().copied().find(|result| result.cell.share == longest)
}

/// The mean over the seeds of the loss that the others are held against.
fn mean_goal(ladders: &Ladders<'_>, longest: f64) -> Option<f64> {
    let goals = ladders.values().filter_map(|ladder| goal(ladder, longest));
    let losses: Vec<f64> = goals.map(|result| result.val_loss).collect();
    Spread::of(&losses).map(|spread| spread.mean)
}

fn saving(
    ladders: &Ladders<'_>,
    scratch: &Ladders<'_>,
    longest: f64,
    time: fn(&CellResult) -> f64,
) -> Saving {
    let (mut operations, mut seconds, mut not_reached) = (Vec::new(), Vec::new(), 0);
    for (seed, ladder) in ladders {
        let Some(goal) = scratch.get(seed).and_then(|ladder| goal(ladder, longest)) else {
            continue;
        };
        let cost = |of: fn(&CellResult) -> f64| {
            let points: Vec<(f64, f64)> = ladder.iter().map(|r| (of(r), r.val_loss)).collect();
            cost_at(&points, goal.val_loss)
        };
        match (cost(|r| r.operations), cost(time)) {
            (Some(o), Some(s)) => {
                operations.push(1.0 - o / goal.operations);
                seconds.push(1.0 - s / time(goal));
            }
            _ => not_reached += 1,
        }
    }
    Saving { operations: Spread::of(&operations), seconds: Spread::of(&seconds), not_reached }
}

/// The cost at which a ladder of costs and losses reaches a loss, between two of its lengths in proportion to the
/// logarithm of the cost; none where it does not. Below the shortest length nothing is claimed: that length's cost.
fn cost_at(points: &[(f64, f64)], loss: f64) -> Option<f64> {
    let first = points.first()?;
    if first.1 <= loss {
        return Some(first.0);
    }
    points.windows(2).find(|pair| pair[1].1 <= loss).map(|pair| {
        let [(low, above), (high, below)] = [pair[0], pair[1]];
        let part = (above - loss) / (above - below);
        (low.ln() + part * (high.ln() - low.ln())).exp()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_between_lengths_and_not_beyond_them() {
        let points = [(100.0, 2.0), (400.0, 1.0), (800.0, 0.9)];
        assert_eq!(cost_at(&points, 2.5), Some(100.0));
        assert!((cost_at(&points, 1.5).unwrap() - 200.0).abs() < 1e-9);
        assert!((cost_at(&points, 1.0).unwrap() - 400.0).abs() < 1e-9);
        assert_eq!(cost_at(&points, 0.8), None);
        assert_eq!(cost_at(&[], 1.0), None);
    }

    #[test]
    fn spreads() {
        let spread = Spread::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.deviation, spread.count), (2.0, 1.0, 3));
        assert_eq!(Spread::of(&[5.0]).unwrap().deviation, 0.0);
        assert_eq!(Spread::of(&[]), None);
    }
}
