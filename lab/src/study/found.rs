//! What a study has found so far: `compare.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asked, COMPARE, Cell, is_finished};
use crate::error::{LabError, Result};
use crate::folder::{to_json, write_file};
use crate::results::{SUMMARY, VALIDATION, none};

/// What the cells of a study came to. It goes on from the file alone: a cell in it is never trained again.
#[derive(Debug, Clone)]
pub(super) struct Found {
    file: PathBuf,
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
    /// Operations and loss at full depth of its validations.
    pub curve: Vec<(f64, f64)>,
    /// Steps done at these validations; files of the first versions lack them.
    #[serde(default)]
    pub curve_steps: Vec<u64>,
}

impl Found {
    /// What the folder's file holds, of the study that is asked for.
    pub(super) fn open(folder: &Path, study: &Value, asked: Asked) -> Result<Self> {
        let made = |cause: std::io::Error| LabError::Folder {
            folder: folder.to_owned(),
            action: "made",
            cause: cause.into(),
        };
        std::fs::create_dir_all(folder).map_err(made)?;
        let (cells, failed) = (BTreeMap::new(), BTreeMap::new());
        let new = Content { study: study.clone(), asked: None, cells, failed };
        let mut found = match folder.join(COMPARE).exists() {
            false => Self { file: folder.join(COMPARE), content: new },
            true => Self::read(folder)?,
        };
        if found.content.study != *study {
            return Err(LabError::OtherStudy { folder: folder.to_owned() });
        }
        found.content.failed.clear();
        if found.content.asked.as_ref() != Some(&asked) {
            found.content.asked = Some(asked);
            found.write()?;
        }
        Ok(found)
    }

    /// What the folder's file holds.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(COMPARE);
        let text = std::fs::read_to_string(&file)
            .map_err(|e| LabError::File { path: file.clone(), cause: e.into() })?;
        match serde_json::from_str(&text) {
            Ok(content) => Ok(Self { file, content }),
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

    /// Whether a cell is finished.
    pub fn has(&self, name: &str) -> bool {
        self.content.cells.contains_key(name)
    }

    /// What a cell came to.
    pub fn get(&self, name: &str) -> Option<&CellResult> {
        self.content.cells.get(name)
    }

    /// What the finished cells came to, by name.
    pub fn results(&self) -> impl Iterator<Item = &CellResult> {
        self.content.cells.values()
    }

    /// Why cells failed, by name.
    pub fn failed(&self) -> &BTreeMap<String, String> {
        &self.content.failed
    }

    /// The learning rate of the cell with the lowest loss; none if one of them is missing.
    pub(super) fn best_rate(&self, cells: &[Cell]) -> Option<f64> {
        let losses: Vec<(f64, f64)> = cells
            .iter()
            .map(|cell| self.get(&cell.name).map(|found| (found.val_loss, cell.lr)))
            .collect::<Option<_>>()?;
        losses.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, lr)| lr)
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
        match read(cell, folder) {
            Ok(found) => {
                self.content.cells.insert(cell.name.clone(), found);
                self.write()
            }
            Err(why) => self.fail(cell, why.to_string()),
        }
    }

    fn write(&self) -> Result<()> {
        let failed = |e: burn_pack::Error| LabError::Write {
            name: COMPARE.to_owned(),
            cause: e.to_string().into(),
        };
        write_file(&self.file, &to_json(&self.content)).map_err(failed)
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
}

#[derive(Deserialize)]
struct Validation {
    step: u64,
    depth: usize,
    val_loss: f64,
    operations: f64,
}

fn read(cell: &Cell, folder: &Path) -> Result<CellResult, Box<dyn std::error::Error>> {
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
        curve,
        curve_steps: rows.map(|row| row.step).collect(),
    })
}
