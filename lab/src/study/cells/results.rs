//! What a study has found so far: `compare.json`.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cell::Cell;
use super::config::StudyConfig;
use super::kind::CellKind;
use super::setup::Setup;
use crate::config::OptimizerKind;
use crate::error::{LabError, Result};
use crate::folder::{to_json, write_file};
use crate::results::{Row, STEPS, SUMMARY, VALIDATION, ValidationRow};

/// All that was found.
pub(in crate::study) const COMPARE: &str = "compare.json";

/// Keeps other processes from the study in a folder, which is made if it is not there, as long as the file is open. The
/// lock is the operating system's, so it ends with the process, however that ends.
pub(in crate::study) fn lock(folder: &Path) -> Result<File> {
    std::fs::create_dir_all(folder).map_err(|e| LabError::folder(folder, "cannot be made", e))?;
    let file = File::create(folder.join(LOCK));
    let file = file.map_err(|e| LabError::folder(folder, "cannot be locked", e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(in_the_way(folder, "a study is under way there, in another process"))
        }
        Err(TryLockError::Error(cause)) => Err(LabError::folder(folder, "cannot be locked", cause)),
    }
}

const LOCK: &str = ".lock";

/// A study for which its folder has no place.
fn in_the_way(folder: &Path, problem: &str) -> LabError {
    LabError::usage(format!("{}: {problem}", folder.display()))
}

/// What the cells of a study came to. It goes on from the file alone: a cell in it is never trained again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::study) struct StudyResults {
    #[serde(skip)]
    file: PathBuf,
    /// What all cells share.
    pub study: Value,
    /// What the study was asked for last.
    #[serde(rename = "asked")]
    pub setup: Setup,
    cells: BTreeMap<String, CellResult>,
    /// Why cells failed, by name.
    pub failed: BTreeMap<String, String>,
}

/// What a cell came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct CellResult {
    /// The cell.
    pub cell: Cell,
    /// The full model's loss on data that it was not trained on.
    pub val_loss: f64,
    /// Operations of the training.
    pub operations: f64,
    /// Seconds that its steps took.
    pub seconds: f64,
    /// Seconds of processor time that its steps took.
    pub cpu_seconds: f64,
    /// Steps that were done once for cells that begin alike, in studies of the first versions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shared_steps: u64,
    /// The full model's parameters.
    pub parameters: u64,
    /// The task's own measures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f64>,
    /// Shares of right answers by their position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_position: Vec<f64>,
    /// Operations and loss at full depth of its validations.
    pub curve: Vec<(f64, f64)>,
    /// Steps done at these validations; files of the first versions lack them.
    #[serde(default)]
    pub curve_steps: Vec<u64>,
    /// Mean training losses of the blocks of steps, each as long as the study's ([`StudyConfig::block`]); files of the
    /// first versions lack them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub training: Vec<f32>,
}

fn is_zero(steps: &u64) -> bool {
    *steps == 0
}

impl StudyResults {
    /// What the folder's file holds, of the study that is asked for.
    pub fn open(folder: &Path, study: Value, setup: Setup) -> Result<Self> {
        let file = folder.join(COMPARE);
        if !file.exists() {
            return Ok(Self {
                file,
                study,
                setup,
                cells: BTreeMap::new(),
                failed: BTreeMap::new(),
            });
        }
        let mut found = Self::read(folder)?;
        if found.study != study {
            let problem = "holds another study: task, batch, optimizer settings, steps and warm-up are those in its compare.json";
            return Err(in_the_way(folder, problem));
        }
        if let Some(kind) = found.other_plan(&setup) {
            let problem =
                format!("{kind} has trainings there by another plan; give this one another name");
            return Err(in_the_way(folder, &problem));
        }
        found.failed.clear();
        found.setup = setup;
        Ok(found)
    }

    /// A recipe of one's own whose trainings had another plan than it is asked for with.
    fn other_plan(&self, setup: &Setup) -> Option<CellKind> {
        let is_own = |cell: &Cell| setup.config.plans.contains_key(cell.kind.recipe());
        let is_other = |cell: &Cell| cell.planned(setup).map_or(true, |now| now.plan != cell.plan);
        self.of(|cell| is_own(cell) && is_other(cell)).next().map(|result| result.cell.kind.clone())
    }

    /// What the folder's file holds.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(COMPARE);
        let text = std::fs::read_to_string(&file).map_err(|e| LabError::file(&file, e))?;
        let found: Self = serde_json::from_str(&text).map_err(|e| LabError::file(&file, e))?;
        Ok(Self { file, ..found })
    }

    /// Whether a cell is finished.
    pub fn has(&self, cell: &Cell) -> bool {
        self.cells.contains_key(&cell.name)
    }

    /// What the finished cells came to, by name.
    pub fn all(&self) -> impl Iterator<Item = &CellResult> {
        self.cells.values()
    }

    /// What some of the finished cells came to.
    pub fn of(&self, is: impl Fn(&Cell) -> bool) -> impl Iterator<Item = &CellResult> {
        self.all().filter(move |result| is(&result.cell))
    }

    /// The best rate of a recipe's grid: the lowest loss at the length and seed that rates are compared at, of those
    /// trainings that did not fail. A rate at which training breaks down is no good rate.
    pub fn best_rate(
        &self,
        config: &StudyConfig,
        kind: &CellKind,
        optimizer: OptimizerKind,
    ) -> Option<f64> {
        let grid = self.of(|cell| {
            let at = (cell.share, cell.seed) == (config.tuning_share, config.seeds[0]);
            let of_grid = config.learning_rates.contains(&cell.lr);
            at && of_grid && (&cell.kind, cell.optimizer) == (kind, optimizer)
        });
        grid.min_by(|a, b| a.val_loss.total_cmp(&b.val_loss)).map(|found| found.cell.lr)
    }

    /// Adds what a cell has ended with: the finished run in its folder, or why it failed.
    pub fn add(&mut self, cell: &Cell, folder: &Path, failure: Option<String>) -> Result<()> {
        let found = match failure {
            Some(why) => Err(why),
            None if !folder.join(SUMMARY).exists() => Err("it ended before its end".to_owned()),
            None => read(cell, folder, self.setup.config.block()).map_err(|e| e.to_string()),
        };
        match found {
            Ok(found) => drop(self.cells.insert(cell.name.clone(), found)),
            Err(why) => drop(self.failed.insert(cell.name.clone(), why)),
        }
        self.write()
    }

    pub fn write(&self) -> Result<()> {
        let written = write_file(&self.file, to_json(self));
        written.map_err(|e| LabError::write(COMPARE, e.to_string()))
    }
}

/// The part of a summary that a study reads.
#[derive(Deserialize)]
struct Summary {
    val_loss: f64,
    operations: f64,
    seconds: f64,
    cpu_seconds: f64,
    parameters: u64,
    #[serde(default)]
    measures: BTreeMap<String, f64>,
    #[serde(default)]
    by_position: Vec<f64>,
}

/// The mean training loss of each whole block of steps.
fn training(steps: &Path, block: u64) -> Result<Vec<f32>, csv::Error> {
    let rows = csv::Reader::from_path(steps)?.into_deserialize::<Row>();
    let losses: Vec<f64> =
        rows.map(|row| Ok(row?.train_loss)).collect::<Result<_, csv::Error>>()?;
    let blocks = losses.chunks_exact(block as usize);
    Ok(blocks.map(|losses| (losses.iter().sum::<f64>() / block as f64) as f32).collect())
}

fn read(cell: &Cell, folder: &Path, block: u64) -> Result<CellResult, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(folder.join(SUMMARY))?;
    let summary: Summary = serde_json::from_str(&text)?;
    let mut table = csv::Reader::from_path(folder.join(VALIDATION))?;
    let rows = table.deserialize().collect::<Result<Vec<ValidationRow>, _>>()?;
    let full = rows.iter().map(|row| row.depth).max().unwrap_or(0);
    let rows = rows.iter().filter(|row| row.depth == full);
    let curve = rows.clone().map(|row| (row.operations, row.val_loss)).collect();
    Ok(CellResult {
        cell: cell.clone(),
        val_loss: summary.val_loss,
        operations: summary.operations,
        seconds: summary.seconds,
        cpu_seconds: summary.cpu_seconds,
        shared_steps: 0,
        parameters: summary.parameters,
        measures: summary.measures,
        by_position: summary.by_position,
        curve,
        curve_steps: rows.map(|row| row.step).collect(),
        training: training(&folder.join(STEPS), block)?,
    })
}

#[cfg(test)]
impl CellResult {
    pub fn of(cell: Cell, val_loss: f64) -> Self {
        Self {
            cell,
            val_loss,
            operations: 1.0,
            seconds: 1.0,
            cpu_seconds: 1.0,
            shared_steps: 0,
            parameters: 1,
            measures: BTreeMap::new(),
            by_position: Vec::new(),
            curve: Vec::new(),
            curve_steps: Vec::new(),
            training: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn_apollo::Plan;
    use burn_apollo::cost::ModelCost;

    use super::super::setup::Shape;
    use super::*;

    #[test]
    fn the_best_rate_is_that_of_the_trainings_that_did_not_fail() {
        let config = StudyConfig {
            learning_rates: vec![0.001, 0.01, 0.1],
            seeds: vec![7],
            ..StudyConfig::new(["apollo"], 100)
        };
        let cost = ModelCost::of_layer(1.0, 1.0);
        let shape = Shape { targets: vec![12], cost, items: 1 };
        let (items, unit, shallower) = Default::default();
        let mut found = StudyResults {
            file: PathBuf::new(),
            study: Value::Null,
            setup: Setup { config: config.clone(), shape, shallower, items, unit },
            cells: BTreeMap::new(),
            failed: [("apollo-adamw-lr0.1-x0.5-s7".to_owned(), "not finite".to_owned())].into(),
        };
        let apollo = CellKind::Recipe("apollo".to_owned());
        let best = |found: &StudyResults| found.best_rate(&config, &apollo, OptimizerKind::AdamW);
        assert_eq!(best(&found), None);
        // Another length, another seed and a rate that is not in the grid do not count.
        for (lr, share, seed, val_loss) in [
            (0.001, 0.5, 7, 2.0),
            (0.01, 0.5, 7, 1.9),
            (0.001, 1.0, 7, 1.0),
            (0.001, 0.5, 8, 1.0),
            (0.005, 0.5, 7, 1.0),
        ] {
            let cell = Cell {
                name: format!("{lr} {share} {seed}"),
                kind: apollo.clone(),
                optimizer: OptimizerKind::AdamW,
                lr,
                share,
                seed,
                plan: Plan::new(50),
                every: 10,
            };
            found.cells.insert(cell.name.clone(), CellResult::of(cell, val_loss));
        }
        assert_eq!(best(&found), Some(0.01));
    }
}
