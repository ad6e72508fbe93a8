//! The folder of a run: its configuration, checkpoints and results.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn_apollo::checkpoint::{CheckpointError, CheckpointStore, Retention};
use burn_pack::AtomicFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::common::{Failure, run_error, usage};

/// A run's folder, taken for this process.
pub struct RunDir {
    path: PathBuf,
    pub checkpoints: CheckpointStore,
}

const CONFIG: &str = "config.json";
const CHECKPOINTS: &str = "checkpoints";

/// What a new run does with a folder that already holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    Resume,
    Overwrite,
}

impl RunDir {
    /// Makes the folder of a run by `config`, or takes up the run that it holds; says whether it does. A run
    /// that is replaced leaves nothing behind: neither its checkpoints nor its `results`.
    pub fn open<C: Serialize + DeserializeOwned>(
        path: &Path,
        config: &C,
        existing: Existing,
        same_run: impl Fn(&C) -> bool,
        retention: Retention,
        results: &[&str],
    ) -> Result<(Self, bool), Failure> {
        let out = path.display();
        refuse_run(path, existing)?;
        fs::create_dir_all(path).map_err(|e| usage(format!("--out {out}: cannot be made: {e}")))?;
        let checkpoints = CheckpointStore::open(path.join(CHECKPOINTS), retention);
        let checkpoints = checkpoints.map_err(|e| usage(format!("--out {out}: {e}")))?;
        let dir = Self { path: path.to_owned(), checkpoints };
        dir.probe()?;
        // The folder is this process's from here on.
        match (existing, holds_run(path)) {
            (Existing::Overwrite, _) => {}
            (Existing::Refuse, true) => refuse_run(path, existing)?,
            (Existing::Resume, true) => {
                return match same_run(&read_config::<C>(path)?) {
                    true => Ok((dir, true)),
                    false => Err(other_options(path)),
                };
            }
            (_, false) => dir.refuse_remains(results)?,
        }
        dir.clear(results).map_err(|e| usage(format!("--out {out}: cannot be cleared: {e}")))?;
        dir.write(CONFIG, &to_json(config)).map_err(|e| usage(format!("--out {out}: {e}")))?;
        Ok((dir, false))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Waits until the names of new files are on the disk, where the system can.
    pub fn sync(&self) -> std::io::Result<()> {
        match cfg!(unix) {
            true => fs::File::open(&self.path)?.sync_all(),
            false => Ok(()),
        }
    }

    /// Writes a file as a whole or not at all.
    pub fn write(&self, name: &str, content: &str) -> Result<(), burn_pack::Error> {
        write_file(&self.file(name), content)
    }

    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.write(name, &to_json(value)).map_err(run_error)
    }

    fn clear(&self, results: &[&str]) -> Result<(), CheckpointError> {
        let remove = |name: &str| {
            let path = self.file(name);
            remove_file(&path).map_err(|cause| CheckpointError::Io {
                action: "removed",
                path,
                cause,
            })
        };
        remove(CONFIG)?;
        self.checkpoints.clear()?;
        results.iter().try_for_each(|name| remove(name))
    }

    /// Refuses a folder without configuration that holds checkpoints or results all the same.
    fn refuse_remains(&self, results: &[&str]) -> Result<(), Failure> {
        let mut remains = results.iter().find(|name| self.file(name).exists()).copied();
        if !self.checkpoints.is_empty().map_err(usage)? {
            remains = Some(CHECKPOINTS);
        }
        match remains {
            None => Ok(()),
            Some(name) => Err(usage(format!(
                "--out {}: holds {name} of a run, but not its {CONFIG}; --overwrite replaces them",
                self.path.display()
            ))),
        }
    }

    fn probe(&self) -> Result<(), Failure> {
        let file = self.file(".writable");
        fs::write(&file, "")
            .and_then(|()| fs::remove_file(&file))
            .map_err(|e| usage(format!("--out {}: cannot be written to: {e}", self.path.display())))
    }
}

pub fn holds_run(path: &Path) -> bool {
    path.join(CONFIG).exists()
}

/// Refuses a folder that holds a model of another kind, or a run that is neither to be continued nor replaced.
pub fn refuse_run(path: &Path, existing: Existing) -> Result<(), Failure> {
    let config = fs::read_to_string(path.join(CONFIG)).ok();
    let config = config.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    if config.is_some_and(|config| config.get("model_type").is_some()) {
        return Err(usage(format!(
            "--out {}: holds a model in Hugging Face's layout; name another folder",
            path.display()
        )));
    }
    match existing == Existing::Refuse && holds_run(path) {
        false => Ok(()),
        true => Err(usage(format!(
            "--out {}: already holds a run; continue it with --resume, replace it with --overwrite, or name another \
             folder",
            path.display()
        ))),
    }
}

/// A run in a folder is not the one that is to be continued.
pub fn other_options(path: &Path) -> Failure {
    usage(format!(
        "--resume: {} holds a run with other options; its {CONFIG} says which",
        path.display()
    ))
}

/// Removes the run in a folder, if it holds one.
pub fn remove_run(path: &Path, retention: Retention, results: &[&str]) -> Result<(), Failure> {
    if !holds_run(path) {
        return Ok(());
    }
    let failed = |e| usage(format!("--out {}: cannot be cleared: {e}", path.display()));
    let checkpoints = CheckpointStore::open(path.join(CHECKPOINTS), retention).map_err(failed)?;
    RunDir { path: path.to_owned(), checkpoints }.clear(results).map_err(failed)
}

/// Removes a file, if it is there.
pub fn remove_file(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes a file as a whole or not at all.
pub fn write_file(path: &Path, content: &str) -> Result<(), burn_pack::Error> {
    let (scratch, mut file) = AtomicFile::create(path)?;
    let failed = |e| burn_pack::Error::IoError(format!("cannot write '{}': {e}", path.display()));
    file.write_all(content.as_bytes()).map_err(failed)?;
    scratch.commit()
}

/// The options that the run in a folder was made with.
pub fn read_config<C: DeserializeOwned>(dir: &Path) -> Result<C, Failure> {
    let file = dir.join(CONFIG);
    if !file.exists() {
        return Err(usage(format!("--out {}: holds no run", dir.display())));
    }
    let text = fs::read_to_string(&file).map_err(|e| usage(format!("{}: {e}", file.display())))?;
    serde_json::from_str(&text).map_err(|e| usage(format!("{}: {e}", file.display())))
}

pub fn to_json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data serialises");
    text.push('\n');
    text
}
