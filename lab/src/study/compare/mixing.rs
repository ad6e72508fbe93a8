//! How soon a grown model catches up, and what that means for a plan.
//!
//! A growth makes a model that is behind the one trained from scratch for as many steps, and catches up with it while the
//! rate stays high: Bu (ICML 2026, arXiv 2511.04981) calls the steps that it takes the mixing time `t_mix`, and finds that
//! they hardly depend on when the model grows, or from how many layers. So they can be measured with an early growth in a
//! short run, and say until when a long run may wait with its growth.

use burn_apollo::Plan;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Spread, scratch};
use crate::config::OptimizerKind;
use crate::study::cells::{CellKind, CellResult, StudyConfig, StudyResults};

/// The share of the loss from scratch by which a model that has caught up may be behind.
const BEHIND: f64 = 0.005;

/// How soon the models of a recipe catch up after their last growth.
///
/// A grown model has caught up in the first block of steps in which, and after which in the mean, its training loss is
/// at most 0.5 % above that of training from scratch with the same seed, optimizer and learning rate, in the same steps and
/// so on the same data, as long as both have the peak rate. Where the final losses of training from scratch differ
/// by more between seeds, that is the tolerance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mixing {
    /// The recipe's name.
    pub recipe: String,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// Steps from the growth to the end of the block in which a model had caught up, over the seeds.
    pub steps: Option<Spread>,
    /// Steps of a block: how exact that is.
    pub block: u64,
    /// The steps in which a model did not catch up, where one did not: the most of all seeds.
    pub not_within: Option<u64>,
    /// The longest run of the recipe in the study.
    pub run: LongestRun,
}

/// The longest run of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LongestRun {
    /// Optimizer steps.
    pub steps: u64,
    /// The step before which it grows for the last time.
    pub growth: u64,
    /// The first step at which the rate falls.
    pub decay: u64,
}

impl Mixing {
    /// Whether there were steps to measure it in.
    pub(in crate::study) fn is_measured(&self) -> bool {
        self.steps.is_some() || self.not_within.is_some()
    }

    /// The last step of the recipe's longest run before which it may grow: so long before the end that the model catches up,
    /// and no later than the rate begins to fall. None where the mixing time is not known.
    pub fn latest_growth(&self) -> Option<u64> {
        let mixing = self.steps.filter(|_| self.not_within.is_none())?.mean.ceil() as u64;
        Some(self.run.steps.saturating_sub(mixing).min(self.run.decay))
    }

    /// Until when a model may grow by it, as far as that is known.
    pub(in crate::study) fn in_words(&self) -> String {
        let Self { recipe, steps, block, not_within, run, .. } = self;
        let with = self.optimizer.name();
        let LongestRun { steps: all, growth, .. } = run;
        match (steps, not_within, self.latest_growth()) {
            (_, Some(within), _) => format!(
                "With {with}, a model grown by {recipe} had not caught up with training from scratch {within} steps after its growth \
                 (training loss at equal steps, before the rate falls, in the run that shows it longest)."
            ),
            (Some(steps), None, Some(latest)) => format!(
                "With {with}, a model grown by {recipe} had caught up with training from scratch {:.0} ± {:.0} steps after its growth (training \
                 loss at equal steps, to {block} steps), so in a run of {all} steps growth must come before step {latest}; here it comes before {growth}.",
                steps.mean, steps.deviation
            ),
            _ => format!(
                "How soon a model grown by {recipe} catches up with {with} was not measured: it grows where the rate falls, or where training \
                 from scratch has ended; a pilot would tell."
            ),
        }
    }
}

/// What is known of the recipes' mixing times.
pub(super) fn mixing(
    config: &StudyConfig,
    results: &StudyResults,
    entries: &[Entry],
) -> Vec<Mixing> {
    let of = |entry: &Entry| {
        let CellKind::Recipe(recipe) = &entry.kind else { return None };
        let cells = |kind: CellKind| {
            results.of(move |cell| {
                (&cell.kind, cell.optimizer, cell.lr) == (&kind, entry.optimizer, entry.lr)
            })
        };
        let longest = cells(entry.kind.clone()).max_by_key(|result| result.cell.plan.steps)?;
        let plan = &longest.cell.plan;
        let run = LongestRun {
            steps: plan.steps,
            growth: last_growth(plan)?,
            decay: plan.lr.decay_begins(plan.steps),
        };
        let (tolerance, block) = (tolerance(entries, entry.optimizer), config.block());
        let (mut caught_up, mut not_within) = (Vec::new(), None);
        for seed in &config.seeds {
            let grown = cells(entry.kind.clone()).chain(cells(CellKind::Pilot(recipe.clone())));
            let pairs = grown.flat_map(|grown| cells(CellKind::Scratch).map(move |of| (grown, of)));
            let windows = pairs
                .filter(|(grown, scratch)| grown.cell.seed == *seed && scratch.cell.seed == *seed)
                .filter_map(|(grown, scratch)| {
                    Some((window(grown, scratch, block)?, grown, scratch))
                });
            let longest = windows.max_by_key(|((growth, blocks), ..)| (blocks.len(), *growth));
            let Some(((growth, blocks), grown, scratch)) = longest else { continue };
            let behind: Vec<f64> = blocks
                .clone()
                .map(|block| {
                    f64::from(grown.training[block]) / f64::from(scratch.training[block]) - 1.0
                })
                .collect();
            let end = |i: usize| (blocks.start + i + 1) as u64 * block - growth;
            match first_caught_up(&behind, tolerance) {
                Some(i) => caught_up.push(end(i) as f64),
                None => not_within = not_within.max(Some(end(behind.len() - 1))),
            }
        }
        let steps = Spread::of(&caught_up);
        let (recipe, optimizer) = (recipe.clone(), entry.optimizer);
        Some(Mixing { recipe, optimizer, steps, block, not_within, run })
    };
    entries.iter().filter_map(of).collect()
}

/// How far behind counts as caught up: the spread of the final losses from scratch, if it is more than the least.
fn tolerance(entries: &[Entry], optimizer: OptimizerKind) -> f64 {
    let last = scratch(entries, optimizer)
        .and_then(|entry| entry.lengths.last())
        .map(|length| length.loss);
    last.map_or(BEHIND, |loss| (loss.deviation / loss.mean).max(BEHIND))
}

/// The step of the last growth, and the blocks of steps after it in which both have the peak rate.
fn window(
    grown: &CellResult,
    scratch: &CellResult,
    block: u64,
) -> Option<(u64, std::ops::Range<usize>)> {
    let growth = last_growth(&grown.cell.plan)?;
    let peak = |result: &CellResult| {
        let plan = &result.cell.plan;
        plan.lr.decay_begins(plan.steps).min(result.training.len() as u64 * block)
    };
    let blocks = growth.div_ceil(block) as usize..(peak(grown).min(peak(scratch)) / block) as usize;
    (!blocks.is_empty()).then_some((growth, blocks))
}

/// The first block that is no further behind, and after which the mean is not.
fn first_caught_up(behind: &[f64], tolerance: f64) -> Option<usize> {
    (0..behind.len()).find(|i| {
        let rest = &behind[*i..];
        behind[*i] <= tolerance && rest.iter().sum::<f64>() / rest.len() as f64 <= tolerance
    })
}

/// The step before which a plan grows for the last time. A study's plans have schedules, which end with the full model.
fn last_growth(plan: &Plan) -> Option<u64> {
    let targets = &plan.schedule.as_ref()?.stages.last()?.layers;
    let timeline = plan.timeline(targets).ok()?;
    Some(timeline.end(timeline.stages().checked_sub(2)?))
}

#[cfg(test)]
mod tests {
    use burn_apollo::schedule::{LrShape, Schedule};

    use super::*;
    use crate::study::cells::Cell;

    #[test]
    fn a_model_has_caught_up_where_it_stays_so() {
        assert_eq!(first_caught_up(&[0.3, 0.1, 0.004, -0.01], 0.005), Some(2));
        // A block that is better by chance is none.
        assert_eq!(first_caught_up(&[0.0, 0.1, 0.1, 0.0], 0.005), Some(3));
        assert_eq!(first_caught_up(&[0.3, 0.2], 0.005), None);
        assert_eq!(first_caught_up(&[0.3, f64::NAN], 0.005), None);
    }

    fn result(plan: Plan, training: Vec<f32>) -> CellResult {
        let cell = Cell {
            name: String::new(),
            kind: CellKind::Scratch,
            optimizer: OptimizerKind::AdamW,
            lr: 0.01,
            share: 1.0,
            seed: 1,
            plan,
            every: 1,
        };
        CellResult { training, ..CellResult::of(cell, 1.0) }
    }

    #[test]
    fn losses_are_compared_while_both_have_the_peak_rate() {
        let lr = LrShape::WarmupStableDecay { warm_up: 0.02.into(), decay: 0.2, end: 0.0 };
        let plan = |steps: u64, growth: f64| {
            Plan::new(steps).with_lr(lr).with_schedule(Schedule::one_hop(&[2], &[12], growth))
        };
        let scratch = Plan::new(1000).with_lr(lr).with_schedule(Schedule::from_scratch(&[12]));
        let scratch = result(scratch, vec![1.0; 100]);
        let window = |steps: u64, growth: f64| {
            window(&result(plan(steps, growth), vec![1.0; steps as usize / 10]), &scratch, 10)
        };
        // Whole blocks alone: from the growth until the rate of the first of both falls.
        assert_eq!(window(1000, 0.253), Some((253, 26..80)));
        assert_eq!(window(600, 0.5), Some((300, 30..48)));
        assert_eq!(window(2000, 0.1), Some((200, 20..80)));
        assert_eq!(window(1000, 0.8), None, "its rate falls at once");
        assert_eq!(window(2000, 0.6), None, "training from scratch has no steps there");
    }

    #[test]
    fn the_latest_growth_leaves_room_to_catch_up() {
        let mixing = |mean: f64, not_within| Mixing {
            recipe: "late_hop".to_owned(),
            optimizer: OptimizerKind::AdamW,
            steps: Some(Spread { mean, deviation: 0.0, count: 1 }),
            block: 10,
            not_within,
            run: LongestRun { steps: 1000, growth: 800, decay: 800 },
        };
        assert_eq!(mixing(100.0, None).latest_growth(), Some(800));
        assert_eq!(mixing(299.5, None).latest_growth(), Some(700));
        assert_eq!(mixing(5000.0, None).latest_growth(), Some(0));
        assert_eq!(mixing(100.0, Some(400)).latest_growth(), None, "one seed did not catch up");
        assert!(mixing(299.5, None).in_words().contains("before step 700"));
        assert!(mixing(299.5, Some(400)).in_words().contains("400 steps"));
    }
}
