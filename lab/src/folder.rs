//! The folder of a run: its configuration, checkpoints and results.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn_apollo::checkpoint::{CheckpointStore, Retention};
use burn_pack::AtomicFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{LabError, Result};
use crate::prefix::KEPT;
use crate::results::{EVENTS, MODEL, REGISTRY, STEPS, SUMMARY, VALIDATION};

/// The file of a run's configuration.
pub const CONFIG: &str = "config.json";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
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
        fs::create_dir_all(path).map_err(|e| unusable(path, "made", e))?;
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
        dir.write(CONFIG, &to_json(config)).map_err(|e| unusable(path, "written to", e))?;
        Ok((dir, false))
    }

    fn of(path: &Path, retention: Retention) -> Result<Self> {
        let checkpoints = CheckpointStore::open(path.join(CHECKPOINTS), retention)
            .map_err(|cause| LabError::Checkpoints { folder: path.to_owned(), cause })?;
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

    /// Waits until the names of new files are on the disk, where the system can.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        match cfg!(unix) {
            true => fs::File::open(&self.path)?.sync_all(),
            false => Ok(()),
        }
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
        let failed = |cause: Box<dyn Error + Send + Sync>| LabError::Folder {
            folder: self.path.clone(),
            action: "cleared",
            cause,
        };
        let remove = |name: &str| {
            let path = self.file(name);
            let said = |e| format!("{}: cannot be removed: {e}", path.display());
            remove_file(&path).map_err(|e| failed(said(e).into()))
        };
        remove(CONFIG)?;
        self.checkpoints.clear().map_err(|e| failed(e.into()))?;
        remove_dir(&self.file(KEPT)).map_err(|e| failed(e.into()))?;
        RESULTS.iter().chain(files).try_for_each(|name| remove(name))
    }

    /// Refuses a folder without configuration that holds checkpoints or results all the same.
    fn refuse_remains(&self, files: &[&str]) -> Result<()> {
        let mut results = RESULTS.iter().chain(files);
        let mut remains = results.find(|name| self.file(name).exists()).copied();
        if !self.checkpoints.is_empty().map_err(LabError::NoneGood)? {
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
            .map_err(|e| unusable(&self.path, "written to", e))
    }
}

fn unusable(
    folder: &Path,
    action: &'static str,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> LabError {
    LabError::Folder { folder: folder.to_owned(), action, cause: cause.into() }
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
    let text = fs::read_to_string(&path)
        .map_err(|e| LabError::File { path: path.clone(), cause: e.into() })?;
    serde_json::from_str(&text).map_err(|e| LabError::File { path, cause: e.into() })
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// What the system says.
pub fn remove_file(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes a folder with all in it, if it is there.
pub(crate) fn remove_dir(path: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes a file as a whole or not at all.
///
/// # Errors
///
/// What the system says.
pub fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<(), burn_pack::Error> {
    let (scratch, mut file) = AtomicFile::create(path)?;
    let failed = |e| burn_pack::Error::IoError(format!("cannot write '{}': {e}", path.display()));
    file.write_all(content.as_ref()).map_err(failed)?;
    scratch.commit()
}

/// Plain data as JSON, as a run's files have it.
///
/// # Panics
///
/// Where a map's keys are no text.
pub fn to_json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data serialises");
    text.push('\n');
    text
}
