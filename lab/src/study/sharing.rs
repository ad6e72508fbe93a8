//! Cells that begin alike: the beginning is trained once.
//!
//! Plans of cells with the same seed, optimizer and learning rate make a tree of beginnings
//! Whichever cell trains through a fork first keeps a checkpoint
//! there, and the others begin with it. As every beginning is trained by one cell alone, the steps that are trained are the
//! tree's, whatever the order of the cells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn_apollo::checkpoint::latest_good;
use serde::{Deserialize, Serialize};

use super::{Asked, Cell};
use crate::folder::{CHECKPOINTS, remove_dir};
use crate::prefix::{KEPT, is_kept};

/// A cell to train, for the process that does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    /// The cell.
    pub cell: Cell,
    /// Steps after which it keeps a checkpoint for others.
    pub keep_at: Vec<u64>,
    /// The cell as which it begins, and the steps that it takes over.
    pub prefix: Option<(String, u64)>,
}

/// The cells that are yet to be trained, and as what each begins.
#[derive(Debug)]
pub(super) struct Queue {
    /// The folder of the cells' runs.
    runs: PathBuf,
    /// Those not started, the longest first.
    waiting: Vec<Cell>,
    /// Those under way, with the steps that each had done at its start.
    running: BTreeMap<String, u64>,
    /// Of each cell that was missing.
    beginnings: BTreeMap<String, Beginning>,
}

/// How a cell begins.
#[derive(Debug)]
struct Beginning {
    /// Steps that its run has done, by its checkpoints.
    done: u64,
    /// The cells that begin as it does, with the steps that they share, most first.
    alike: Vec<(String, u64)>,
    /// The steps that it shares with cells that are not finished.
    forks: BTreeSet<u64>,
}

/// What of the queue comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// A cell to start.
    Start(Box<Job>),
    /// All cells that are left begin with what is being trained.
    Wait,
    /// None is left.
    Nothing,
}

impl Queue {
    /// Of the `missing` cells of a study whose runs lie in `runs`; `all` are those whose beginnings may be shared, now or
    /// later, with whether they are missing.
    pub fn new(runs: PathBuf, mut missing: Vec<Cell>, all: &[(Cell, bool)], asked: &Asked) -> Self {
        missing.sort_by_key(|cell| std::cmp::Reverse(cell.plan.steps));
        let targets = |cell: &Cell| asked.shape_of(&cell.recipe).targets.as_slice();
        let group =
            |cell: &Cell| (cell.seed, cell.optimizer, cell.lr.to_bits(), cell.every, targets(cell));
        let shared = |cell: &Cell, other: &Cell| match group(cell) == group(other) {
            true if cell.name != other.name => {
                if cell.plan == other.plan {
                    cell.plan.steps
                } else {
                    0
                }
            }
            _ => 0,
        };
        let beginning = |cell: &Cell| {
            let others = all.iter().map(|(other, missing)| (other, *missing, shared(cell, other)));
            let others: Vec<_> = others.filter(|(_, _, steps)| *steps > 0).collect();
            let forks = others.iter().filter(|(_, missing, _)| *missing).map(|other| other.2);
            let forks = forks.collect();
            let mut alike: Vec<(String, u64)> =
                others.iter().map(|(other, _, steps)| (other.name.clone(), *steps)).collect();
            alike.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            Beginning { done: done(&runs.join(&cell.name)), alike, forks }
        };
        let beginnings = missing.iter().map(|cell| (cell.name.clone(), beginning(cell))).collect();
        Self { runs, waiting: missing, running: BTreeMap::new(), beginnings }
    }

    /// The next cell that can be started.
    pub fn next(&mut self) -> Next {
        let ready = self.waiting.iter().enumerate().find_map(|(i, cell)| {
            let ahead = self.waiting[..i].iter().map(|cell| cell.name.as_str()).collect();
            Some((i, self.beginning(&cell.name, &ahead)?))
        });
        let Some((i, prefix)) = ready else {
            return if self.waiting.is_empty() { Next::Nothing } else { Next::Wait };
        };
        let cell = self.waiting.remove(i);
        let Beginning { done, forks, .. } = &self.beginnings[&cell.name];
        let done = prefix.as_ref().map_or(*done, |(_, steps)| *steps);
        let keep_at = forks.iter().copied().filter(|step| *step > done).collect();
        self.running.insert(cell.name.clone(), done);
        Next::Start(Box::new(Job { cell, keep_at, prefix }))
    }

    /// A cell is trained no more.
    pub fn ended(&mut self, name: &str) {
        self.running.remove(name);
    }

    /// As what a cell begins, which may be as none; no answer while that is being trained, or will be by a cell `ahead`.
    fn beginning(&self, name: &str, ahead: &BTreeSet<&str>) -> Option<Option<(String, u64)>> {
        let Beginning { done, alike, .. } = &self.beginnings[name];
        if *done > 0 {
            return Some(None);
        }
        for same in alike.chunk_by(|a, b| a.1 == b.1) {
            let steps = same[0].1;
            let kept = |other: &str| is_kept(&self.runs.join(other), steps);
            if let Some((other, _)) = same.iter().find(|(other, _)| kept(other)) {
                return Some(Some((other.clone(), steps)));
            }
            let comes = |other: &str| {
                ahead.contains(other) || self.running.get(other).is_some_and(|done| *done < steps)
            };
            if same.iter().any(|(other, _)| comes(other)) {
                return None;
            }
        }
        Some(None)
    }
}

/// Steps that a run has done, by its checkpoints.
fn done(run: &Path) -> u64 {
    let checkpoints = run.join(CHECKPOINTS);
    match checkpoints.exists() {
        true => latest_good(checkpoints).ok().flatten().map_or(0, |found| found.set.step()),
        false => 0,
    }
}

/// Removes what the runs of a finished study have kept for each other. What cannot be removed stays: it does no harm.
pub(super) fn clean(runs: &Path) {
    for run in std::fs::read_dir(runs).into_iter().flatten().flatten() {
        let _ = remove_dir(&run.path().join(KEPT));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fs;

    use burn_apollo::cost::ModelCost;

    use super::super::{Shape, StudyConfig};
    use super::*;
    use crate::optimizer::OptimizerKind;

    /// Three recipes at three lengths, of which two are alike until they grow.
    fn cells() -> (Vec<Cell>, Asked) {
        let config = StudyConfig {
            warm_up: Some(10),
            output_projections: vec!["proj".to_owned()],
            ..StudyConfig::new(["late_hop", "late_hop_zeroed"], 1000)
        };
        let cost = ModelCost::of_layer(1.0, 1.0);
        let shape = Shape { targets: vec![12], cost, items: 1 };
        let recipes = config.recipes.clone();
        let (shallower, items, unit) = Default::default();
        let asked = Asked { config, shape, shallower, items, unit };
        let of = |recipe: &str, share| {
            Cell::new(&asked, recipe, OptimizerKind::AdamW, 0.01, share, 1).unwrap()
        };
        let cells = recipes.iter().flat_map(|recipe| {
            [0.5, 0.7, 1.0].into_iter().map(|share| of(recipe, share)).collect::<Vec<_>>()
        });
        (cells.collect(), asked)
    }

    fn queue(runs: &Path, cells: &[Cell], asked: &Asked) -> Queue {
        let all: Vec<(Cell, bool)> = cells.iter().map(|cell| (cell.clone(), true)).collect();
        Queue::new(runs.to_owned(), cells.to_vec(), &all, asked)
    }

    /// Trains all that is left with so many workers, in the order of their start; gives the jobs.
    fn train(queue: &mut Queue, workers: usize, keeps: bool) -> Vec<Job> {
        let (mut jobs, mut running) = (Vec::new(), VecDeque::new());
        loop {
            match queue.next() {
                Next::Start(job) => {
                    running.push_back(job.clone());
                    jobs.push(*job);
                    if running.len() < workers {
                        continue;
                    }
                }
                next => assert!(next == Next::Nothing || !running.is_empty(), "nothing would come"),
            }
            let Some(job) = running.pop_front() else { return jobs };
            for step in job.keep_at.iter().filter(|_| keeps) {
                let kept = folder_of(queue, &job.cell.name, *step);
                fs::create_dir_all(kept.join(format!("000001-step-{step}"))).unwrap();
            }
            queue.ended(&job.cell.name);
        }
    }

    fn folder_of(queue: &Queue, cell: &str, step: u64) -> PathBuf {
        queue.runs.join(cell).join(KEPT).join(step.to_string())
    }

    #[test]
    fn what_is_never_kept_is_not_waited_for() {
        let (cells, asked) = cells();
        let dir = tempfile::tempdir().unwrap();
        let jobs = train(&mut queue(dir.path(), &cells, &asked), 2, false);
        assert_eq!(jobs.len(), cells.len());
        assert!(jobs.iter().all(|job| job.prefix.is_none()));
    }
}
