//! The folder of a run: its configuration, checkpoints and results.

mod files;
mod table;
mod tensorboard;

use std::fs;
use std::path::{Path, PathBuf};

use burn_apollo::checkpoint::{CheckpointStore, Retention};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use files::{remove_file, to_json, write_file};
pub use table::Table;
pub(crate) use table::Tables;
pub use tensorboard::TensorBoard;

use crate::error::{LabError, Result};
use crate::results::{EVENTS, MODEL, REGISTRY, STEPS, SUMMARY, VALIDATION};

/// The file of a run's configuration.
pub const CONFIG: &str = "config.json";
const CHECKPOINTS: &str = "checkpoints";
const RESULTS: [&str; 6] = [STEPS, VALIDATION, EVENTS, SUMMARY, REGISTRY, MODEL];

/// A run's folder, taken for this process.
pub struct RunFolder {
    path: PathBuf,
    /// The run's checkpoints.
    pub checkpoints: CheckpointStore,
}

/// What a new run does with a folder that already holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// The run there goes on, if it is the same; else a new one begins.
    Resume,
    /// The new run replaces it.
    Overwrite,
}

impl RunFolder {
    /// Makes the folder of a run by `config`, or takes up the run that it holds; says whether it does. A run that is
    /// replaced leaves nothing behind: neither its checkpoints nor its results, to which the task's `files` belong.
    ///
    /// # Errors
    ///
    /// A folder that cannot be used, that another process uses, or that holds a run where `existing` does not want it.
    pub fn open<C: Serialize + DeserializeOwned>(
        path: &Path,
        config: &C,
        existing: Existing,
        same_run: impl Fn(&C) -> bool,
        retention: Retention,
        files: &[&str],
    ) -> Result<(Self, bool)> {
        refuse_run(path, existing)?;
        fs::create_dir_all(path).map_err(|e| LabError::folder(path, "cannot be made", e))?;
        let dir = Self::of(path, retention)?;
        dir.probe()?;
        // The folder is this process's from here on.
        match (existing, holds_run(path)) {
            (Existing::Overwrite, _) => {}
            (Existing::Refuse, true) => refuse_run(path, existing)?,
            (Existing::Resume, true) => {
                return match same_run(&read_config::<C>(path)?) {
                    true => Ok((dir, true)),
                    false => Err(LabError::OtherRun { folder: path.to_owned() }),
                };
            }
            (_, false) => dir.refuse_remains(files)?,
        }
        dir.clear(files)?;
        dir.write(CONFIG, &to_json(config))
            .map_err(|e| LabError::folder(path, "cannot be written to", e))?;
        Ok((dir, false))
    }

    fn of(path: &Path, retention: Retention) -> Result<Self> {
        let checkpoints = CheckpointStore::open(path.join(CHECKPOINTS), retention)
            .map_err(|e| LabError::folder(path, "its checkpoints cannot be opened", e))?;
        Ok(Self { path: path.to_owned(), checkpoints })
    }

    /// Removes the run in a folder, if it holds one: its configuration, checkpoints and results, and the task's `files`.
    ///
    /// # Errors
    ///
    /// What cannot be removed, or is in use.
    pub fn remove(path: &Path, retention: Retention, files: &[&str]) -> Result<()> {
        match holds_run(path) {
            true => Self::of(path, retention)?.clear(files),
            false => Ok(()),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file as a whole or not at all.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, name: &str, content: &str) -> Result<(), burn_pack::Error> {
        write_file(&self.file(name), content)
    }

    fn clear(&self, files: &[&str]) -> Result<()> {
        let remove = |name: &str| {
            let path = self.file(name);
            remove_file(&path).map_err(|e| {
                let cause = format!("{}: cannot be removed: {e}", path.display());
                LabError::folder(&self.path, "cannot be cleared", cause)
            })
        };
        remove(CONFIG)?;
        self.checkpoints
            .clear()
            .map_err(|e| LabError::folder(&self.path, "cannot be cleared", e))?;
        RESULTS.iter().chain(files).try_for_each(|name| remove(name))
    }

    /// Refuses a folder without configuration that holds checkpoints or results all the same.
    fn refuse_remains(&self, files: &[&str]) -> Result<()> {
        let mut results = RESULTS.iter().chain(files);
        let mut remains = results.find(|name| self.file(name).exists()).copied();
        if !self.checkpoints.is_empty().map_err(LabError::usage)? {
            remains = Some(CHECKPOINTS);
        }
        match remains {
            None => Ok(()),
            Some(name) => {
                Err(LabError::Remains { folder: self.path.clone(), name: name.to_owned() })
            }
        }
    }

    fn probe(&self) -> Result<()> {
        let file = self.file(".writable");
        fs::write(&file, "")
            .and_then(|()| fs::remove_file(&file))
            .map_err(|e| LabError::folder(&self.path, "cannot be written to", e))
    }
}

/// Whether a folder holds a run.
pub fn holds_run(folder: &Path) -> bool {
    folder.join(CONFIG).exists()
}

/// Refuses a folder with a run that is neither to be continued nor replaced.
///
/// # Errors
///
/// [`LabError::HoldsRun`].
pub fn refuse_run(folder: &Path, existing: Existing) -> Result<()> {
    match existing == Existing::Refuse && holds_run(folder) {
        false => Ok(()),
        true => Err(LabError::HoldsRun { folder: folder.to_owned() }),
    }
}

/// The configuration of the run in a folder.
///
/// # Errors
///
/// A folder without a run, and a configuration of another kind.
pub fn read_config<C: DeserializeOwned>(folder: &Path) -> Result<C> {
    let path = folder.join(CONFIG);
    if !path.exists() {
        return Err(LabError::NoRun { folder: folder.to_owned() });
    }
    let text = fs::read_to_string(&path).map_err(|e| LabError::file(&path, e))?;
    serde_json::from_str(&text).map_err(|e| LabError::file(&path, e))
}
