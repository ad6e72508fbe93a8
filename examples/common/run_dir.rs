//! The folder of a run: its configuration, checkpoint and results.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Failure, run_error, usage};

/// A run's folder.
pub struct RunDir {
    path: PathBuf,
}

const CONFIG: &str = "config.json";
const CHECKPOINT: &str = "checkpoint";
/// Where a checkpoint is written before it takes the place of the one before it, and where that one waits.
const ASIDE: &str = "checkpoint.new";
const BEFORE: &str = "checkpoint.old";

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
        results: &[&str],
    ) -> Result<(Self, bool), Failure> {
        let dir = Self { path: path.to_owned() };
        let out = path.display();
        let holds_run = dir.file(CONFIG).exists();
        match existing {
            Existing::Refuse if holds_run => {
                return Err(usage(format!(
                    "--out {out}: already holds a run; continue it with --resume, replace it with --overwrite, \
                     or name another folder"
                )));
            }
            Existing::Resume if holds_run => {
                if !same_run(&dir.config::<C>()?) {
                    return Err(usage(format!(
                        "--resume: {out} holds a run with other options; its {CONFIG} says which"
                    )));
                }
                dir.probe()?;
                return Ok((dir, true));
            }
            _ => {}
        }
        fs::create_dir_all(path).map_err(|e| usage(format!("--out {out}: cannot be made: {e}")))?;
        dir.probe()?;
        dir.clear(results).map_err(|e| usage(format!("--out {out}: cannot be cleared: {e}")))?;
        dir.write(CONFIG, &to_json(config)).map_err(|e| usage(format!("--out {out}: {e}")))?;
        Ok((dir, false))
    }

    /// The folder of an earlier run.
    pub fn existing(path: &Path) -> Result<Self, Failure> {
        let dir = Self { path: path.to_owned() };
        match dir.file(CONFIG).exists() {
            true => Ok(dir),
            false => Err(usage(format!("--out {}: holds no run", path.display()))),
        }
    }

    /// The options that the run was made with.
    pub fn config<C: DeserializeOwned>(&self) -> Result<C, Failure> {
        let file = self.file(CONFIG);
        let text =
            fs::read_to_string(&file).map_err(|e| usage(format!("{}: {e}", file.display())))?;
        serde_json::from_str(&text).map_err(|e| usage(format!("{}: {e}", file.display())))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file as a whole or not at all.
    pub fn write(&self, name: &str, content: &str) -> std::io::Result<()> {
        let aside = self.file(&format!("{name}.new"));
        fs::write(&aside, content)?;
        fs::rename(aside, self.file(name))
    }

    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.write(name, &to_json(value))
            .map_err(|e| run_error(format!("{}: {e}", self.file(name).display())))
    }

    fn clear(&self, results: &[&str]) -> std::io::Result<()> {
        let gone = |result: std::io::Result<()>| match result {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        };
        gone(fs::remove_file(self.file(CONFIG)))?;
        for set in [CHECKPOINT, ASIDE, BEFORE] {
            gone(fs::remove_dir_all(self.file(set)))?;
        }
        results.iter().try_for_each(|name| gone(fs::remove_file(self.file(name))))
    }

    fn probe(&self) -> Result<(), Failure> {
        let file = self.file(".writable");
        fs::write(&file, "")
            .and_then(|()| fs::remove_file(&file))
            .map_err(|e| usage(format!("--out {}: cannot be written to: {e}", self.path.display())))
    }

    /// Saves everything that a run needs to go on. The set is written aside and takes the place of the
    /// one before it by a rename.
    pub fn save(
        &self,
        model: &impl Module,
        optim: &ModuleOptimizer,
        scheduler: &ModuleLrScheduler,
    ) -> Result<(), Failure> {
        let (set, aside, old) = (self.file(CHECKPOINT), self.file(ASIDE), self.file(BEFORE));
        let failed = |e: &dyn std::fmt::Display| run_error(format!("{}: {e}", set.display()));
        let _ = fs::remove_dir_all(&aside);
        fs::create_dir_all(&aside).map_err(|e| failed(&e))?;
        let written = model
            .clone()
            .into_record()
            .save(aside.join("model"))
            .and_then(|()| optim.to_record().save(aside.join("optim")))
            .and_then(|()| scheduler.to_record().save(aside.join("scheduler")));
        written.map_err(|e| failed(&e))?;
        if set.exists() {
            let _ = fs::remove_dir_all(&old);
            fs::rename(&set, &old).map_err(|e| failed(&e))?;
        }
        fs::rename(&aside, &set).map_err(|e| failed(&e))?;
        let _ = fs::remove_dir_all(&old);
        Ok(())
    }

    /// The saved set, if there is one.
    pub fn load(
        &self,
    ) -> Result<Option<(ModuleRecord, OptimizerRecord, LrSchedulerRecord)>, Failure> {
        let set = [self.file(CHECKPOINT), self.file(BEFORE)].into_iter().find(|p| p.exists());
        let Some(set) = set else { return Ok(None) };
        let failed = |e| usage(format!("--resume: {}: {e}", set.display()));
        Ok(Some((
            ModuleRecord::load(set.join("model")).map_err(failed)?,
            OptimizerRecord::load(set.join("optim")).map_err(failed)?,
            LrSchedulerRecord::load(set.join("scheduler")).map_err(failed)?,
        )))
    }
}

fn to_json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data serialises");
    text.push('\n');
    text
}
