//! What a study has found so far: `compare.json`.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asked, COMPARE, Cell, StudyConfig, is_finished, pilot};
use crate::error::{LabError, Result};
use crate::folder::{to_json, write_file};
use crate::optimizer::OptimizerKind;
use crate::results::{Row, STEPS, SUMMARY, VALIDATION, none};

/// Keeps other processes from the study in a folder, which is made if it is not there, as long as the file is open. The lock is the operating system's, so it
/// ends with the process, however that ends.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let failed = |action, cause: std::io::Error| LabError::Folder {
        folder: folder.to_owned(),
        action,
        cause: cause.into(),
    };
    std::fs::create_dir_all(folder).map_err(|e| failed("made", e))?;
    let file = File::create(folder.join(LOCK)).map_err(|e| failed("locked", e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LabError::StudyInUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(failed("locked", cause)),
    }
}

const LOCK: &str = ".lock";

/// What the cells of a study came to. It goes on from the file alone: a cell in it is never trained again.
#[derive(Debug, Clone)]
pub(super) struct Found {
    file: PathBuf,
    /// Steps over which training losses are averaged.
    block: u64,
    content: Content,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Content {
    /// What all cells share.
    study: Value,
    /// What the study was asked for last; files of the first versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    cells: BTreeMap<String, CellResult>,
    failed: BTreeMap<String, String>,
}

/// What a cell came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CellResult {
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
    /// Steps that were taken over from a cell that begins as this one.
    #[serde(default, skip_serializing_if = "none")]
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
    /// Mean training losses of the blocks of steps, each as long as the study's ([`block`](super::pilot::block)); empty in
    /// files from before they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub training: Vec<f32>,
}

impl Found {
    /// What the folder's file holds, of the study that is asked for.
    pub(super) fn open(folder: &Path, study: &Value, asked: Asked) -> Result<Self> {
        let (cells, failed) = (BTreeMap::new(), BTreeMap::new());
        let new = Content { study: study.clone(), asked: None, cells, failed };
        let mut found = match folder.join(COMPARE).exists() {
            false => Self { file: folder.join(COMPARE), block: 1, content: new },
            true => Self::read(folder)?,
        };
        if found.content.study != *study {
            return Err(LabError::OtherStudy { folder: folder.to_owned() });
        }
        if let Some(recipe) = found.other_plan(&asked) {
            return Err(LabError::OtherPlan { folder: folder.to_owned(), recipe });
        }
        found.content.failed.clear();
        found.block = pilot::block(&asked.config);
        found.content.asked = Some(asked);
        Ok(found)
    }

    /// A recipe of one's own whose trainings had another plan than it is asked for with.
    fn other_plan(&self, asked: &Asked) -> Option<String> {
        let is_own = |cell: &Cell| {
            let recipe = cell.recipe.strip_suffix(pilot::PILOT).unwrap_or(&cell.recipe);
            asked.config.plans.contains_key(recipe)
        };
        let is_other =
            |cell: &Cell| Cell::by_name(&cell.name, asked).is_none_or(|now| now.plan != cell.plan);
        let mut cells = self.results().map(|result| &result.cell);
        cells.find(|cell| is_own(cell) && is_other(cell)).map(|cell| cell.recipe.clone())
    }

    /// What the folder's file holds.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(COMPARE);
        let text = std::fs::read_to_string(&file)
            .map_err(|e| LabError::File { path: file.clone(), cause: e.into() })?;
        match serde_json::from_str(&text) {
            Ok(content) => Ok(Self { file, block: 1, content }),
            Err(e) => Err(LabError::File { path: file, cause: e.into() }),
        }
    }

    /// What all cells share, as data.
    pub(super) fn study(&self) -> &Value {
        &self.content.study
    }

    /// What the study was asked for.
    pub(super) fn asked(&self) -> Result<&Asked> {
        self.content.asked.as_ref().ok_or_else(|| LabError::File {
            path: self.file.clone(),
            cause: "it does not say what the study was asked for, as those of the first versions; the study's own command \
                    adds it, and trains nothing again"
                .into(),
        })
    }

    /// Reads what files from before did not keep from the cells' runs, where these are there still.
    pub(super) fn complete(&mut self, runs: &Path) {
        for (name, result) in &mut self.content.cells {
            let steps = runs.join(name).join(STEPS);
            if result.training.is_empty() && steps.exists() {
                result.training = training(&steps, self.block).unwrap_or_default();
            }
        }
    }

    /// Whether a cell is finished.
    pub fn has(&self, name: &str) -> bool {
        self.content.cells.contains_key(name)
    }

    /// What the finished cells came to, by name.
    pub fn results(&self) -> impl Iterator<Item = &CellResult> {
        self.content.cells.values()
    }

    /// Why cells failed, by name.
    pub fn failed(&self) -> &BTreeMap<String, String> {
        &self.content.failed
    }

    /// The best rate of a recipe's grid: the lowest loss at the length and seed that rates are compared at, of those
    /// trainings that did not fail. A rate at which training breaks down is no good rate.
    pub(super) fn best_rate(
        &self,
        config: &StudyConfig,
        recipe: &str,
        optimizer: OptimizerKind,
    ) -> Option<f64> {
        let of_grid = |cell: &Cell| {
            let at = (cell.share, cell.seed) == (config.tuning_share, config.seeds[0]);
            let of_grid = config.learning_rates.contains(&cell.lr);
            at && of_grid && cell.recipe == recipe && cell.optimizer == optimizer
        };
        let grid = self.results().filter(|found| of_grid(&found.cell));
        grid.min_by(|a, b| a.val_loss.total_cmp(&b.val_loss)).map(|found| found.cell.lr)
    }

    pub(super) fn fail(&mut self, cell: &Cell, why: String) -> Result<()> {
        self.content.failed.insert(cell.name.clone(), why);
        self.write()
    }

    /// Adds the finished run in a cell's folder.
    pub(super) fn add(&mut self, cell: &Cell, folder: &Path) -> Result<()> {
        if !is_finished(folder) {
            return self.fail(cell, "it ended before its end".to_owned());
        }
        match read(cell, folder, self.block) {
            Ok(found) => {
                self.content.cells.insert(cell.name.clone(), found);
                self.write()
            }
            Err(why) => self.fail(cell, why.to_string()),
        }
    }

    pub(super) fn write(&self) -> Result<()> {
        let failed = |e: burn_pack::Error| LabError::Write {
            name: COMPARE.to_owned(),
            cause: e.to_string().into(),
        };
        write_file(&self.file, to_json(&self.content)).map_err(failed)
    }
}

/// The part of a summary that a study reads.
#[derive(Deserialize)]
struct Summary {
    val_loss: f64,
    operations: f64,
    seconds: f64,
    cpu_seconds: f64,
    #[serde(default)]
    shared_steps: u64,
    parameters: u64,
    #[serde(default)]
    measures: BTreeMap<String, f64>,
    #[serde(default)]
    by_position: Vec<f64>,
}

#[derive(Deserialize)]
struct Validation {
    step: u64,
    depth: usize,
    val_loss: f64,
    operations: f64,
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
    let rows = table.deserialize().collect::<Result<Vec<Validation>, _>>()?;
    let full = rows.iter().map(|row| row.depth).max().unwrap_or(0);
    let rows = rows.iter().filter(|row| row.depth == full);
    let curve = rows.clone().map(|row| (row.operations, row.val_loss)).collect();
    Ok(CellResult {
        cell: cell.clone(),
        val_loss: summary.val_loss,
        operations: summary.operations,
        seconds: summary.seconds,
        cpu_seconds: summary.cpu_seconds,
        shared_steps: summary.shared_steps,
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

    use super::*;

    #[test]
    fn the_best_rate_is_that_of_the_trainings_that_did_not_fail() {
        let config = StudyConfig {
            learning_rates: vec![0.001, 0.01, 0.1],
            seeds: vec![7],
            ..StudyConfig::new(["apollo"], 100)
        };
        let content = Content {
            study: Value::Null,
            asked: None,
            cells: BTreeMap::new(),
            failed: [("apollo-adamw-lr0.1-x0.5-s7".to_owned(), "not finite".to_owned())].into(),
        };
        let mut found = Found { file: PathBuf::new(), block: 1, content };
        let best = |found: &Found| found.best_rate(&config, "apollo", OptimizerKind::AdamW);
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
                recipe: "apollo".to_owned(),
                optimizer: OptimizerKind::AdamW,
                lr,
                share,
                seed,
                plan: Plan::new(50),
                every: 10,
            };
            found.content.cells.insert(cell.name.clone(), CellResult::of(cell, val_loss));
        }
        assert_eq!(best(&found), Some(0.01));
    }
}
