//! The trainings of a recipe at several lengths, and what is read between them.

use std::collections::BTreeMap;

use super::entry::Spread;
use crate::config::OptimizerKind;
use crate::study::cells::{CellKind, CellResult, Clock, StudyConfig, StudyResults};

/// A number of a training.
pub(super) type Of = fn(&CellResult) -> f64;

/// Steps of a training.
pub(super) const STEPS: Of = |result| result.cell.plan.steps as f64;
/// Operations of a training.
pub(super) const OPERATIONS: Of = |result| result.operations;
/// The final loss of a training.
const LOSS: Of = |result| result.val_loss;

/// The seconds of a training that are compared.
pub(super) fn seconds(clock: Clock) -> Of {
    match clock {
        Clock::Wall => |result| result.seconds,
        Clock::Processor => |result| result.cpu_seconds,
    }
}

/// The finished trainings of a recipe with an optimizer at its best rate: for each seed a curve, from the shortest length.
#[derive(Debug)]
pub(super) struct Scaling<'a> {
    by_seed: BTreeMap<u64, Vec<&'a CellResult>>,
    /// The longest length of the study.
    longest: f64,
}

impl<'a> Scaling<'a> {
    pub(super) fn of(
        config: &StudyConfig,
        found: &'a StudyResults,
        of: (&CellKind, OptimizerKind, f64),
    ) -> Self {
        let mut by_seed = BTreeMap::<u64, Vec<&CellResult>>::new();
        for result in found.of(|cell| (&cell.kind, cell.optimizer, cell.lr) == of) {
            let (seed, share) = (result.cell.seed, result.cell.share);
            if config.seeds.contains(&seed) && config.shares.contains(&share) {
                by_seed.entry(seed).or_default().push(result);
            }
        }
        for curve in by_seed.values_mut() {
            curve.sort_by(|a, b| a.operations.total_cmp(&b.operations));
        }
        Self { by_seed, longest: config.longest() }
    }

    /// The lengths, from the shortest.
    pub(super) fn shares(&self) -> Vec<f64> {
        let mut shares: Vec<f64> =
            self.by_seed.values().flatten().map(|result| result.cell.share).collect();
        shares.sort_by(f64::total_cmp);
        shares.dedup();
        shares
    }

    /// The trainings of a length, seed by seed.
    pub(super) fn at(&self, share: f64) -> impl Iterator<Item = &'a CellResult> {
        let all = self.by_seed.values().flatten().copied();
        all.filter(move |result| result.cell.share == share)
    }

    pub(super) fn spread(&self, share: f64, of: Of) -> Option<Spread> {
        Spread::of(&self.at(share).map(of).collect::<Vec<_>>())
    }

    pub(super) fn loss(&self, share: f64) -> Option<Spread> {
        self.spread(share, LOSS)
    }

    /// The loss less another recipe's at the same length, seed by seed: at equal operations.
    pub(super) fn difference(&self, other: &Self, share: f64) -> Option<Spread> {
        let differences = self.at(share).filter_map(|result| {
            let other = other.at(share).find(|other| other.cell.seed == result.cell.seed)?;
            Some(result.val_loss - other.val_loss)
        });
        Spread::of(&differences.collect::<Vec<_>>())
    }

    /// The loss, read at as many steps as another recipe's training of a length has, less that training's, seed by seed:
    /// at equal steps. None where a seed's steps lie beyond its lengths.
    pub(super) fn difference_at_steps(&self, other: &Self, share: f64) -> Option<Spread> {
        let differences = other.at(share).map(|other| {
            let curve = self.by_seed.get(&other.cell.seed)?;
            let points: Vec<(f64, f64)> = curve.iter().map(|r| (STEPS(r), LOSS(r))).collect();
            Some(loss_at(&points, STEPS(other))? - other.val_loss)
        });
        Spread::of(&differences.collect::<Option<Vec<_>>>()?)
    }

    /// What it costs to reach the losses of another recipe's trainings of a length: seed by seed, the training to be
    /// reached and the cost, if it is reached. Without the seeds whose longest training is missing and might reach it.
    pub(super) fn costs(
        &self,
        goals: &Self,
        share: f64,
        of: Of,
    ) -> Vec<(&'a CellResult, Option<Cost>)> {
        let costs = goals.at(share).filter_map(|goal| {
            let curve = self.by_seed.get(&goal.cell.seed)?;
            let points: Vec<(f64, f64)> = curve.iter().map(|r| (of(r), LOSS(r))).collect();
            let cost = cost_at(&points, goal.val_loss);
            let tells = cost.is_some() || curve.iter().any(|r| r.cell.share == self.longest);
            tells.then_some((goal, cost))
        });
        costs.collect()
    }
}

/// What it costs along a curve up to a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cost {
    /// Read between two lengths.
    Read(f64),
    /// The shortest length reaches the loss already: its cost, and nothing is claimed below it.
    AtMost(f64),
}

/// The cost at which a curve of costs and losses reaches a loss, between two of its lengths in proportion to the
/// logarithm of the cost; none where it does not.
fn cost_at(points: &[(f64, f64)], loss: f64) -> Option<Cost> {
    let first = points.first()?;
    if first.1 <= loss {
        return Some(if first.1 == loss { Cost::Read(first.0) } else { Cost::AtMost(first.0) });
    }
    points.windows(2).find(|pair| pair[1].1 <= loss).map(|pair| {
        let [(low, above), (high, below)] = [pair[0], pair[1]];
        let part = (above - loss) / (above - below);
        Cost::Read((low.ln() + part * (high.ln() - low.ln())).exp())
    })
}

/// The loss of a curve of steps and losses after some steps, between two of its lengths in proportion to the logarithm of
/// the steps; none beyond them.
fn loss_at(points: &[(f64, f64)], steps: f64) -> Option<f64> {
    if let Some((_, loss)) = points.iter().find(|(at, _)| *at == steps) {
        return Some(*loss);
    }
    points.windows(2).find(|pair| pair[0].0 < steps && steps < pair[1].0).map(|pair| {
        let [(low, before), (high, after)] = [pair[0], pair[1]];
        let part = (steps.ln() - low.ln()) / (high.ln() - low.ln());
        before + part * (after - before)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_between_lengths_and_not_beyond_them() {
        let points = [(100.0, 2.0), (400.0, 1.0), (800.0, 0.9)];
        assert_eq!(cost_at(&points, 2.5), Some(Cost::AtMost(100.0)));
        assert_eq!(cost_at(&points, 2.0), Some(Cost::Read(100.0)));
        for (loss, expected) in [(1.5, 200.0), (1.0, 400.0)] {
            let Some(Cost::Read(cost)) = cost_at(&points, loss) else { panic!("{loss}") };
            assert!((cost - expected).abs() < 1e-9, "{loss}: {cost}");
        }
        assert_eq!(cost_at(&points, 0.8), None);
        assert_eq!(cost_at(&[], 1.0), None);
    }

    #[test]
    fn losses_are_read_between_lengths_and_not_beyond_them() {
        let points = [(100.0, 2.0), (400.0, 1.0)];
        assert!((loss_at(&points, 200.0).unwrap() - 1.5).abs() < 1e-9);
        assert_eq!(loss_at(&points, 400.0), Some(1.0));
        assert_eq!(loss_at(&points, 99.0), None);
        assert_eq!(loss_at(&points, 401.0), None);
    }
}
