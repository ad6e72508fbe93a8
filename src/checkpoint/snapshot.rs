use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::store::RecordError;
use burn::tensor::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::CheckpointError;
use super::files::{MODEL, OPTIM, RECORDS, SCHEDULER};
use super::manifest::Manifest;
use super::same_run::next_rate;
use crate::apollo::Apollo;
use crate::optim::check_precision;
use crate::stack::Growable;
use crate::wire::{Frozen, Pack};

/// All that a run needs to go on, at one moment: what a [`CheckpointStore`](super::CheckpointStore) saves as a set.
///
/// It is host memory: it may be saved later, or by another thread, while the run goes on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) manifest: Manifest,
    /// The [`RECORDS`].
    pub(crate) records: [Bytes; 3],
}

impl Snapshot {
    /// The run between two optimizer steps: the model with its position and plan, the losses and other numbers that its growth
    /// policy has yet to see, the optimizer's state and the learning-rate scheduler's.
    ///
    /// Gradients that are being accumulated are not part of it: take it before the first micro-batch of a step.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Other`] where Burn cannot put a record into bytes, or where the growth policy would not take its
    /// own state back.
    pub fn new<M: Growable>(
        apollo: &Apollo<M>,
        optim: &ModuleOptimizer,
        scheduler: &ModuleLrScheduler,
    ) -> Result<Self, CheckpointError> {
        apollo.sync_buffers();
        let model = apollo.module()?;
        let records = [
            encode(MODEL, model.into_record().into_bytes())?,
            encode(OPTIM, optim.to_record().into_bytes())?,
            encode(SCHEDULER, scheduler.to_record().into_bytes())?,
        ];
        let (plan, targets) = (apollo.plan().clone(), apollo.targets().to_vec());
        let mut manifest = Manifest::new(apollo.step_count(), plan, targets, &records);
        manifest.measurements = apollo.measurements().to_vec();
        manifest.frozen = Some(Frozen::of(apollo.model()));
        Ok(Self { manifest, records }.with_rate_of(scheduler))
    }

    /// With the learning rate that the scheduler gives next, in a run that is not at its end.
    pub(crate) fn with_rate_of(mut self, scheduler: &ModuleLrScheduler) -> Self {
        let goes_on = self.manifest.step < self.manifest.plan.steps;
        self.manifest.next_rate = goes_on.then(|| next_rate(scheduler)).flatten();
        self
    }

    /// Adds a state of your own under a name: the position in the data, the configuration, whatever the run goes by
    /// beside what Burn and this crate know. It is stored as JSON: finite floating-point numbers keep all their bits; NaN
    /// and infinities are refused.
    ///
    /// # Errors
    ///
    /// Where JSON cannot hold it.
    pub fn with_state(
        mut self,
        name: &str,
        state: &(impl Serialize + ?Sized),
    ) -> Result<Self, CheckpointError> {
        let value = to_value(name, state)?;
        self.manifest.state.insert(name.to_owned(), value);
        Ok(self)
    }

    /// The value that [`Retention`](super::Retention) finds the best sets by: a validation loss, say.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotFinite`] for a NaN or an infinity.
    pub fn with_metric(mut self, metric: f64) -> Result<Self, CheckpointError> {
        if !metric.is_finite() {
            return Err(CheckpointError::NotFinite { what: format!("the metric {metric}") });
        }
        self.manifest.metric = Some(metric);
        Ok(self)
    }

    /// Epochs done, for a run that counts them.
    pub fn with_epoch(mut self, epoch: usize) -> Self {
        self.manifest.epoch = Some(epoch);
        self
    }

    /// Looks for what could not be loaded again, and for numbers that are not worth keeping.
    pub(super) fn check(&self, not_finite: bool) -> Result<(), CheckpointError> {
        for (file, bytes) in RECORDS.into_iter().zip(&self.records) {
            let pack = Pack::read(bytes).map_err(|e| not_made(file, &e))?;
            if file == OPTIM {
                // Burn takes all numbers to the default device's precision when it loads them.
                let mut floats = pack.floats();
                let checked = floats.try_for_each(|(name, dtype)| check_precision(name, dtype));
                checked.map_err(|e| not_made(file, &e))?;
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
    let error = |message: String| CheckpointError::state(name, &message);
    // CBOR keeps numbers as they are; JSON's are finite, and serde_json writes `null` for others without a word.
    let cbor = ciborium::Value::serialized(state).map_err(|e| error(e.to_string()))?;
    if let Some(value) = not_finite(&cbor) {
        return Err(error(format!(
            "it holds {value}, which JSON has no number for: save an `Option`, or the bits of the number"
        )));
    }
    let value = serde_json::to_value(state).map_err(|e| error(e.to_string()))?;
    // What is nested too deeply could be written, but not read.
    let text = serde_json::to_vec(&value).map_err(|e| error(e.to_string()))?;
    serde_json::from_slice(&text).map_err(|e| error(e.to_string()))
}

fn not_finite(value: &ciborium::Value) -> Option<f64> {
    match value {
        ciborium::Value::Float(value) => Some(*value).filter(|value| !value.is_finite()),
        ciborium::Value::Array(values) => values.iter().find_map(not_finite),
        ciborium::Value::Map(entries) => entries.iter().find_map(|(_, value)| not_finite(value)),
        _ => None,
    }
}

/// A record as the bytes of a file.
pub(crate) fn encode(
    file: &str,
    bytes: Result<Bytes, RecordError>,
) -> Result<Bytes, CheckpointError> {
    Ok(bytes.map_err(|e| not_made(file, &e))?.shared())
}

fn not_made(file: &str, message: &dyn core::fmt::Display) -> CheckpointError {
    CheckpointError::other(format!("{file} cannot be made: {message}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check(state: &impl Serialize) -> Result<(), String> {
        to_value("best", state).map(drop).map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_that_are_not_finite_are_found_wherever_they_are() {
        #[derive(Serialize)]
        enum Kind {
            Tuple(u8, f32),
            Struct { best: Option<f64> },
            New(f64),
        }
        for best in [f64::INFINITY, f64::NAN] {
            assert!(check(&best).unwrap_err().contains("JSON"));
            assert!(check(&[(1, vec![Some(best)])]).is_err());
            assert!(check(&BTreeMap::from([("best", best)])).is_err());
            assert!(check(&Kind::Tuple(1, best as f32)).is_err());
            assert!(check(&Kind::Struct { best: Some(best) }).is_err());
            assert!(check(&Kind::New(best)).is_err());
        }
        let fine = (1_u64, "two", [3.0], Kind::Struct { best: None }, BTreeMap::from([(4, 'x')]));
        assert_eq!(check(&fine), Ok(()));
        assert_eq!(check(&Kind::Tuple(1, f32::MAX)), Ok(()));
    }
}
