//! Beginnings that runs have in common: a run keeps a checkpoint for others, and another begins with it.

use std::path::{Path, PathBuf};

use burn_apollo::checkpoint::{
    CheckpointError, CheckpointSet, CheckpointStore, Retention, Snapshot, latest_good,
};
use burn_apollo::plan::Plan;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::RunConfig;
use crate::error::{LabError, Result, chain};
use crate::folder::RunFolder;
use crate::options::Options;
use crate::results::{STEPS, VALIDATION};
use crate::run::Run;
use crate::table;
use crate::task::Task;

/// The folder, in a run's, of the checkpoints that it keeps for other runs.
pub(crate) const KEPT: &str = "kept";

/// The beginning of another run that this one, whose [`Step`](crate::Step) is the same, would repeat to the bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// The folder of the other run.
    pub folder: PathBuf,
    /// Optimizer steps to take over: at most those that the two plans take alike.
    pub steps: u64,
}

fn folder(run: &Path, step: u64) -> PathBuf {
    run.join(KEPT).join(step.to_string())
}

/// Whether a run has kept a checkpoint after so many steps; it is not read.
pub(crate) fn is_kept(run: &Path, step: u64) -> bool {
    let entries = std::fs::read_dir(folder(run, step)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(&set(step)))
}

/// How the names of checkpoints after so many steps end.
fn set(step: u64) -> String {
    format!("-step-{step}")
}

/// Keeps a run between two steps for others, with its tables, unless it is kept already. Numbers that are not finite are
/// not kept: they are found where the run looks for them.
pub(crate) fn keep(run: &RunFolder, step: u64, snapshot: Snapshot) -> Result<()> {
    if is_kept(run.path(), step) {
        return Ok(());
    }
    let failed = |cause| LabError::Checkpoint { step, cause };
    let folder = folder(run.path(), step);
    let store = CheckpointStore::open(&folder, Retention::last(1)).map_err(failed)?;
    for name in [STEPS, VALIDATION] {
        table::copy(&run.file(name), &folder.join(name), |_| true)?;
    }
    match store.save(snapshot) {
        Ok(_) | Err(CheckpointError::NotFinite { .. }) => Ok(()),
        Err(cause) => Err(failed(cause)),
    }
}

impl Prefix {
    /// What was kept; none if nothing was that can be read.
    fn set(&self, options: &Options) -> Option<CheckpointSet> {
        if !is_kept(&self.folder, self.steps) {
            return None;
        }
        match latest_good(folder(&self.folder, self.steps)) {
            Ok(found) => found.map(|found| found.set),
            Err(error) => {
                options.say(&format!("not taken over: {}", chain(&error)));
                None
            }
        }
    }

    /// The run, which stands at its beginning, after these steps, with their rows in its tables; as it is where nothing was
    /// kept.
    ///
    /// # Errors
    ///
    /// [`LabError::OtherSet`] for a run that does not begin as this one, files that cannot be read.
    pub(crate) fn begin<T, C>(
        &self,
        run: Run<T, C>,
        dir: &RunFolder,
        options: &Options,
        same_run: fn(&RunConfig<C>, &RunConfig<C>) -> bool,
    ) -> Result<Run<T, C>>
    where
        T: Task,
        C: PartialEq + Serialize + DeserializeOwned,
    {
        let Some(set) = self.set(options) else { return Ok(run) };
        let mut saved: RunConfig<C> = set.state("config").map_err(LabError::NoneGood)?;
        let own = &run.config().plan;
        let plan: Plan = std::mem::replace(&mut saved.plan, own.clone());
        if !same_run(run.config(), &saved) || plan != *own {
            return Err(LabError::OtherSet { set: set.path().to_owned() });
        }
        let step = set.step();
        let due = |row: u64| row <= step && row.is_multiple_of(options.checkpoint_every);
        let kept = folder(&self.folder, step);
        table::copy(&kept.join(STEPS), &dir.file(STEPS), |row| row < step)?;
        table::copy(&kept.join(VALIDATION), &dir.file(VALIDATION), due)?;
        options.say(&format!("begins with {step} steps of {}", self.folder.display()));
        run.begin_with(&set, &plan)
    }
}
