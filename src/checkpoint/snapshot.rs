use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::store::RecordError;
use burn::tensor::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::CheckpointError;
use super::files::{MODEL, OPTIM, SCHEDULER};
use super::finite;
use super::same_run::next_rate;
use crate::apollo::Apollo;
#[cfg(feature = "train")]
use crate::apollo::Note;
use crate::optim::{Treatments, check_precision};
use crate::plan::Plan;
use crate::policy::Measurement;
use crate::stack::Growable;
use crate::wire::{Frozen, Pack};

/// All that a run needs to go on, at one moment: what a [`CheckpointStore`](super::CheckpointStore) saves as a set.
///
/// It is host memory: it may be saved later, or by another thread, while the run goes on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) step: u64,
    pub(super) epoch: Option<usize>,
    pub(super) metric: Option<f64>,
    pub(super) plan: Plan,
    pub(super) targets: Vec<usize>,
    pub(super) measurements: Vec<Measurement>,
    /// What of the model is not trained, if it is known.
    pub(super) frozen: Option<Frozen>,
    pub(super) optimizer: Option<Treatments>,
    pub(super) next_rate: Option<f64>,
    pub(super) state: BTreeMap<String, Value>,
    pub(super) files: [(&'static str, Bytes); 3],
}

impl Snapshot {
    /// The run between two optimizer steps: the model with its position and plan, the losses and other numbers that its growth
    /// policy has yet to see, the optimizer's state and the learning-rate scheduler's.
    ///
    /// Gradients that are being accumulated are not part of it: take it before the first micro-batch of a step.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Encode`] where Burn cannot put a record into bytes, [`CheckpointError::Run`] where the growth
    /// policy would not take its own state back.
    pub fn new<M: Growable>(
        apollo: &Apollo<M>,
        optim: &ModuleOptimizer,
        scheduler: &ModuleLrScheduler,
    ) -> Result<Self, CheckpointError> {
        apollo.sync_buffers();
        let model = apollo.module().map_err(CheckpointError::Run)?;
        let files = [
            encode(MODEL, model.into_record().into_bytes())?,
            encode(OPTIM, optim.to_record().into_bytes())?,
            encode(SCHEDULER, scheduler.to_record().into_bytes())?,
        ];
        let (plan, targets) = (apollo.plan().clone(), apollo.targets().to_vec());
        let snapshot = Self::of_files(apollo.step_count(), plan, targets, files);
        Ok(Self {
            measurements: apollo.measurements().to_vec(),
            frozen: Some(Frozen::of(apollo.model())),
            optimizer: apollo.treatments(optim),
            next_rate: next_rate(scheduler),
            ..snapshot
        })
    }

    pub(crate) fn of_files(
        step: u64,
        plan: Plan,
        targets: Vec<usize>,
        files: [(&'static str, Bytes); 3],
    ) -> Self {
        let (measurements, frozen, state) = (Vec::new(), None, BTreeMap::new());
        let (epoch, metric, optimizer, next_rate) = (None, None, None, None);
        Self {
            step,
            epoch,
            metric,
            plan,
            targets,
            measurements,
            frozen,
            optimizer,
            next_rate,
            state,
            files,
        }
    }

    /// With what the records do not say, where it is known.
    #[cfg(feature = "train")]
    pub(crate) fn with_note(self, note: Option<Note>, next_rate: Option<f64>) -> Self {
        match note {
            None => Self { next_rate, ..self },
            Some(Note { measurements, frozen, optimizer }) => {
                Self { measurements, frozen: Some(frozen), optimizer, next_rate, ..self }
            }
        }
    }

    /// With these states alone.
    #[cfg(feature = "train")]
    pub(crate) fn with_states(self, state: BTreeMap<String, Value>) -> Self {
        Self { state, ..self }
    }

    /// Adds a state of your own under a name: the position in the data, the configuration, whatever the run goes by
    /// beside what Burn and this crate know. It is stored as JSON: finite floating-point numbers keep all their bits; NaN
    /// and infinities are refused.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::State`] where JSON cannot hold it.
    pub fn with_state(
        mut self,
        name: &str,
        state: &(impl Serialize + ?Sized),
    ) -> Result<Self, CheckpointError> {
        let value = to_value(name, state)?;
        self.state.insert(name.to_owned(), value);
        Ok(self)
    }

    /// The value that [`Retention`](super::Retention) finds the best sets by: a validation loss, say.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotFinite`] for a NaN or an infinity.
    pub fn with_metric(self, metric: f64) -> Result<Self, CheckpointError> {
        match metric.is_finite() {
            true => Ok(Self { metric: Some(metric), ..self }),
            false => Err(CheckpointError::NotFinite { what: format!("the metric {metric}") }),
        }
    }

    /// Epochs done, for a run that counts them.
    pub fn with_epoch(self, epoch: usize) -> Self {
        Self { epoch: Some(epoch), ..self }
    }

    /// Looks for what could not be loaded again, and for numbers that are not worth keeping.
    pub(super) fn check(&self, not_finite: bool) -> Result<(), CheckpointError> {
        for (file, bytes) in &self.files {
            let encode = |message| CheckpointError::Encode { file, message };
            let pack = Pack::read(bytes).map_err(encode)?;
            if *file == OPTIM {
                // Burn takes all numbers to the default device's precision when it loads them.
                let mut floats = pack.floats();
                let checked = floats.try_for_each(|(name, dtype)| check_precision(name, dtype));
                checked.map_err(|e| encode(e.to_string()))?;
            }
            if let (false, Some(tensor)) = (not_finite, pack.not_finite()) {
                return Err(CheckpointError::NotFinite { what: format!("`{tensor}` of {file}") });
            }
        }
        Ok(())
    }
}

/// A user's state as JSON.
pub(crate) fn to_value(
    name: &str,
    state: &(impl Serialize + ?Sized),
) -> Result<Value, CheckpointError> {
    let error = |message: String| CheckpointError::State { name: name.to_owned(), message };
    finite::check(state).map_err(error)?;
    let value = serde_json::to_value(state).map_err(|e| error(e.to_string()))?;
    // What is nested too deeply could be written, but not read.
    let text = serde_json::to_vec(&value).map_err(|e| error(e.to_string()))?;
    serde_json::from_slice::<Value>(&text).map_err(|e| error(e.to_string()))?;
    Ok(value)
}

/// A record as the bytes of a file.
pub(crate) fn encode(
    file: &'static str,
    bytes: Result<Bytes, RecordError>,
) -> Result<(&'static str, Bytes), CheckpointError> {
    let bytes = bytes.map_err(|e| CheckpointError::Encode { file, message: e.to_string() })?;
    Ok((file, bytes.shared()))
}
