use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use serde::de::DeserializeOwned;

use super::CheckpointError;
use super::files::{self, MANIFEST, MODEL, OPTIM, SCHEDULER};
use super::manifest::{self, Manifest, SavedPlan};
use super::same_run::{same_optimizer, same_plan, same_rate};
use super::sums::Sums;
use crate::apollo::{Apollo, SavedProgress};
use crate::panic::caught;
use crate::plan::{MomentOrders, Plan};
use crate::stack::Growable;
use crate::wire::Pack;

/// A checkpoint whose files were all found to be as they were written.
#[derive(Debug, Clone)]
pub struct CheckpointSet {
    path: PathBuf,
    sums: Sums,
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
        let path = path.as_ref().to_owned();
        let sums = files::read_sums(&path)?;
        let text = files::read_checked(&path, MANIFEST, &sums, manifest::LIMIT)?;
        let manifest = Manifest::parse(&text, &path)?;
        for (name, length) in &manifest.files {
            files::check(&path, name, &sums, *length)?;
        }
        Ok(Self { path, sums, manifest, other_plan: false })
    }

    /// The set's folder.
    pub fn path(&self) -> &Path {
        &self.path
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

    /// The plan of the run that wrote the set; none for a set of format 1, which only describes it.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.manifest.plan {
            SavedPlan::Plan(plan) => Some(plan),
            SavedPlan::V1(_) => None,
        }
    }

    /// A state that was saved with [`Snapshot::with_state`](super::Snapshot::with_state).
    ///
    /// # Errors
    ///
    /// [`CheckpointError::State`] when there is none of that name, or one of another type.
    pub fn state<T: DeserializeOwned>(&self, name: &str) -> Result<T, CheckpointError> {
        let error = |message: String| CheckpointError::State { name: name.to_owned(), message };
        let names = || self.manifest.state.keys().cloned().collect::<Vec<_>>().join(", ");
        let value = self.manifest.state.get(name);
        let value =
            value.ok_or_else(|| error(format!("not in the checkpoint, which has {}", names())))?;
        T::deserialize(value).map_err(|e| error(e.to_string()))
    }

    /// Loads under another plan than the one the set was written under, another optimizer of the same state, or another
    /// learning rate: for a run that changes its rules on purpose.
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
    /// # Errors
    ///
    /// [`CheckpointError::OtherPlan`], [`CheckpointError::OtherOptimizer`] and [`CheckpointError::OtherRate`] when plan,
    /// optimizer or learning rate are not those of the run that wrote the set, [`CheckpointError::Misfit`] when model, optimizer or scheduler are not, [`CheckpointError::Damaged`] when a file
    /// was damaged since it was checked.
    pub fn load<M: Growable>(
        &self,
        apollo: Apollo<M>,
        optim: ModuleOptimizer,
        scheduler: ModuleLrScheduler,
    ) -> Result<Restored<M>, CheckpointError> {
        let apollo = self.load_model(apollo)?;
        let same_rules = !self.other_plan;
        if same_rules {
            same_optimizer(&self.manifest, &apollo, &optim)?;
        }
        let optim = load_optim(optim, self.read(OPTIM)?, apollo.model())?;
        let scheduler = load_scheduler(scheduler, self.read(SCHEDULER)?)?;
        if same_rules {
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
        let mut apollo =
            load_model(apollo, self.read(MODEL)?, |words, apollo| self.progress(words, apollo))?;
        apollo.set_measurements(self.manifest.measurements.clone());
        if let (Some(frozen), true) = (&self.manifest.frozen, apollo.device().is_autodiff()) {
            let device = apollo.device().clone();
            apollo = apollo.with_model(device, |model| frozen.set(model));
        }
        Ok(apollo)
    }

    /// The progress that `words` are, with what of the plan they were written by.
    fn progress<M>(&self, words: Vec<u64>, apollo: &Apollo<M>) -> Result<SavedProgress, String> {
        if !self.other_plan {
            return Ok(SavedProgress::same_plan(words));
        }
        let (timeline, other_policy) = match &self.manifest.plan {
            SavedPlan::Plan(plan) => {
                (plan.timeline(&self.manifest.targets), plan.policy != apollo.plan().policy)
            }
            SavedPlan::V1(plan) => (plan.timeline(), plan.has_other_policy(apollo)),
        };
        let timeline = Some(timeline.map_err(|e| format!("its plan: {e}"))?);
        Ok(SavedProgress { words, timeline, other_policy })
    }

    /// A record's bytes, checked once more.
    pub(crate) fn read(&self, file: &str) -> Result<Bytes, CheckpointError> {
        let length = self.manifest.files.get(file).copied().unwrap_or(0);
        let bytes = files::read_checked(&self.path, file, &self.sums, length)?;
        Ok(Bytes::from_bytes_vec(bytes).shared())
    }
}

/// Loads a model's record, of any stage.
fn load_model<M: Growable>(
    apollo: Apollo<M>,
    bytes: Bytes,
    progress: impl FnOnce(Vec<u64>, &Apollo<M>) -> Result<SavedProgress, String>,
) -> Result<Apollo<M>, CheckpointError> {
    let misfit = misfit(MODEL);
    apollo.sync_buffers();
    let pack = Pack::read(&bytes).map_err(&misfit)?;
    let words = pack.progress_words().map_err(&misfit)?;
    let saved = progress(words, &apollo).map_err(&misfit)?;
    without_panic(&misfit, || {
        let record = ModuleRecord::from_bytes(bytes).map_err(|e| misfit(e.to_string()))?;
        // The layers of the record's stage, whatever they hold, know what kinds of numbers belong into them.
        let check = |model: &_| pack.check_model(model).map_err(&misfit);
        apollo.loaded(saved, record, check, &misfit)
    })
}

/// Loads an optimizer's record for the parameters of `model`.
fn load_optim(
    optim: ModuleOptimizer,
    bytes: Bytes,
    model: &impl Module,
) -> Result<ModuleOptimizer, CheckpointError> {
    let misfit = misfit(OPTIM);
    let pack = Pack::read(&bytes).map_err(&misfit)?;
    let known = MomentOrders::default();
    pack.check_optim(model, |field| known.order(field).is_some()).map_err(&misfit)?;
    without_panic(&misfit, || {
        let record = OptimizerRecord::from_bytes(bytes).map_err(|e| misfit(e.to_string()))?;
        let optim = optim.load_record(record);
        // Burn leaves out what it cannot rebuild, and changes what is in another precision, without a word.
        let loaded = optim.to_record().into_bytes().map_err(|e| misfit(e.to_string()))?.shared();
        let loaded = Pack::read(&loaded).map_err(&misfit)?;
        match pack.missing_from(&loaded) {
            None => Ok(optim),
            Some(name) => Err(misfit(format!(
                "the optimizer did not take `{name}`: it is of another kind or precision"
            ))),
        }
    })
}

/// Loads a learning-rate scheduler's record.
fn load_scheduler(
    scheduler: ModuleLrScheduler,
    bytes: Bytes,
) -> Result<ModuleLrScheduler, CheckpointError> {
    let misfit = misfit(SCHEDULER);
    let error = |e: RecordError| misfit(e.to_string());
    without_panic(&misfit, || {
        let record = LrSchedulerRecord::from_bytes(bytes.clone()).map_err(error)?;
        let written = record.clone().into_bytes().map_err(error)?;
        let scheduler = scheduler.load_record(record);
        // Schedulers pass over what they do not know.
        match scheduler.to_record().into_bytes().map_err(error)? == written {
            true => {
                let _ = scheduler.clone().step(); // it may stand at the end of all numbers
                Ok(scheduler)
            }
            false => Err(misfit("the learning-rate scheduler is of another kind".to_owned())),
        }
    })
}

fn misfit(file: &'static str) -> impl Fn(String) -> CheckpointError {
    move |message| CheckpointError::Misfit { file, message }
}

/// Burn panics at some records: an error all the same.
fn without_panic<T>(
    misfit: &impl Fn(String) -> CheckpointError,
    load: impl FnOnce() -> Result<T, CheckpointError>,
) -> Result<T, CheckpointError> {
    caught(load).unwrap_or_else(|message| Err(misfit(message)))
}
