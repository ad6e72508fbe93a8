use std::path::Path;

use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::Bytes;
use serde::de::DeserializeOwned;

use super::CheckpointError;
use super::files::{MODEL, OPTIM, SCHEDULER, SetFiles};
use super::manifest::Manifest;
use super::restore::{load_model, load_optim, load_scheduler};
use super::same_run::{same_plan, same_rate};
use crate::apollo::Apollo;
use crate::plan::Plan;
use crate::stack::Growable;

/// A checkpoint whose files were all found to be as they were written.
#[derive(Debug, Clone)]
pub struct CheckpointSet {
    files: SetFiles,
    manifest: Manifest,
    other_plan: bool,
}

/// A run that goes on: model, optimizer and learning-rate scheduler.
pub type Restored<M> = (Apollo<M>, ModuleOptimizer, ModuleLrScheduler);

impl CheckpointSet {
    /// Opens the set in a folder after checking every file of it against its checksum.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Damaged`] naming the file, [`CheckpointError::Version`] for a set of a later version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let (manifest, files) = Manifest::read(path.as_ref())?;
        manifest.files.iter().try_for_each(|(name, length)| files.check(name, *length))?;
        Ok(Self { files, manifest, other_plan: false })
    }

    /// The set's folder.
    pub fn path(&self) -> &Path {
        &self.files.dir
    }

    /// Optimizer steps done.
    pub fn step(&self) -> u64 {
        self.manifest.step
    }

    /// Epochs done, if the run counted them.
    pub fn epoch(&self) -> Option<usize> {
        self.manifest.epoch
    }

    /// The value that the best sets are kept by, if the run gave one.
    pub fn metric(&self) -> Option<f64> {
        self.manifest.metric
    }

    /// The plan of the run that wrote the set.
    pub fn plan(&self) -> &Plan {
        &self.manifest.plan
    }

    /// A state that was saved with [`Snapshot::with_state`](super::Snapshot::with_state).
    ///
    /// # Errors
    ///
    /// When there is none of that name, or one of another type.
    pub fn state<T: DeserializeOwned>(&self, name: &str) -> Result<T, CheckpointError> {
        let error = |message: String| CheckpointError::state(name, &message);
        let states = &self.manifest.state;
        let value = states.get(name).ok_or_else(|| {
            let names = states.keys().cloned().collect::<Vec<_>>().join(", ");
            error(format!("not in the checkpoint, which has {names}"))
        })?;
        T::deserialize(value).map_err(|e| error(e.to_string()))
    }

    /// Loads under another plan than the one the set was written under, or another learning rate: for a run that changes
    /// its rules on purpose.
    ///
    /// Another policy begins anew. A schedule may have other ends, and more or fewer stages, as long as it has the first
    /// stage and a stage for each number of layers that the run grew through.
    pub fn allow_other_plan(self) -> Self {
        Self { other_plan: true, ..self }
    }

    /// Takes up the run: reads its position first, gives the model the layers of its stage, then loads parameters,
    /// optimizer state and scheduler. All three are given as a new run would build them, and a model of any stage will
    /// do; give clones (they are cheap) where the run must go on if the load fails. Memory for one file at a time is
    /// taken beside what is loaded.
    ///
    /// The set says which state the optimizer kept of each parameter, but not its settings: another weight decay goes
    /// unnoticed, unless it is part of a [state](super::Snapshot::with_state) of your own that you compare.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::OtherRun`] when plan or learning rate are not those of the run that wrote the set,
    /// [`CheckpointError::Other`] when model, optimizer or scheduler do not fit its records, [`CheckpointError::Damaged`] when
    /// a file was damaged since it was checked.
    pub fn load<M: Growable>(
        &self,
        apollo: Apollo<M>,
        optim: ModuleOptimizer,
        scheduler: ModuleLrScheduler,
    ) -> Result<Restored<M>, CheckpointError> {
        let apollo = self.load_model(apollo)?;
        let optim = load_optim(optim, self.read(OPTIM)?, apollo.model())?;
        let scheduler = load_scheduler(scheduler, self.read(SCHEDULER)?)?;
        if !self.other_plan {
            same_rate(&self.manifest, &scheduler)?;
        }
        Ok((apollo, optim, scheduler))
    }

    /// Loads the model alone: to look at it, to export it, or to train it in another way.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_model<M: Growable>(&self, apollo: Apollo<M>) -> Result<Apollo<M>, CheckpointError> {
        if !self.other_plan {
            same_plan(&self.manifest, &apollo)?;
        }
        load_model(apollo, self.read(MODEL)?, &self.manifest, self.other_plan)
    }

    /// A record's bytes, checked once more.
    pub(crate) fn read(&self, file: &str) -> Result<Bytes, CheckpointError> {
        let length = self.manifest.files.get(file).copied().unwrap_or(0);
        let bytes = self.files.read(file, length)?;
        Ok(Bytes::from_bytes_vec(bytes).shared())
    }
}
