//! The records of a set, loaded: whatever their bytes are, they end in a run or in an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::Module;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;

use super::CheckpointError;
use super::files::{MODEL, OPTIM, SCHEDULER};
use super::manifest::Manifest;
use crate::apollo::{Apollo, SavedProgress};
use crate::plan::MomentOrders;
use crate::stack::Growable;
use crate::wire::{Pack, ParamInfo};

/// Loads a model's record, of any stage and, where `other_plan` says so, of another plan.
pub(super) fn load_model<M: Growable>(
    apollo: Apollo<M>,
    bytes: Bytes,
    manifest: &Manifest,
    other_plan: bool,
) -> Result<Apollo<M>, CheckpointError> {
    let misfit = |message: String| CheckpointError::misfit(MODEL, &message);
    apollo.sync_buffers();
    let pack = Pack::read(&bytes).map_err(misfit)?;
    let mut saved = SavedProgress::same_plan(pack.progress_words().map_err(misfit)?);
    if other_plan {
        let timeline = manifest.plan.timeline(&manifest.targets);
        saved.timeline = Some(timeline.map_err(|e| misfit(format!("its plan: {e}")))?);
        saved.other_policy = manifest.plan.policy != apollo.plan().policy;
    }
    let mut apollo = without_panic(MODEL, || {
        let record = ModuleRecord::from_bytes(bytes).map_err(|e| misfit(e.to_string()))?;
        // The layers of the record's stage, whatever they hold, know what kinds of numbers belong into them.
        let check = |model: &_| pack.check_model(model).map_err(misfit);
        apollo.loaded(saved, record, check, misfit)
    })?;
    apollo.set_measurements(manifest.measurements.clone());
    match (&manifest.frozen, apollo.device().clone()) {
        (Some(frozen), device) if device.is_autodiff() => {
            Ok(apollo.with_model(device, |model| frozen.set(model)))
        }
        _ => Ok(apollo),
    }
}

/// Loads an optimizer's record for the parameters of `model`.
pub(super) fn load_optim(
    optim: ModuleOptimizer,
    bytes: Bytes,
    model: &impl Module,
) -> Result<ModuleOptimizer, CheckpointError> {
    let misfit = |message: String| CheckpointError::misfit(OPTIM, &message);
    let pack = Pack::read(&bytes).map_err(misfit)?;
    let known = MomentOrders::default();
    pack.check_optim(model, |field| known.order(field).is_some()).map_err(misfit)?;
    without_panic(OPTIM, || {
        let record = OptimizerRecord::from_bytes(bytes).map_err(|e| misfit(e.to_string()))?;
        let optim = optim.load_record(record);
        // Burn leaves out what it cannot rebuild, and changes what is in another precision, without a word.
        let loaded = optim.to_record().into_bytes().map_err(|e| misfit(e.to_string()))?.shared();
        let loaded = Pack::read(&loaded).map_err(misfit)?;
        match pack.missing_from(&loaded) {
            None => Ok(optim),
            Some(entry) => Err(misfit(other_state(entry, &pack, &loaded, model))),
        }
    })
}

/// Of which parameter an optimizer did not take the state, and how far it did.
fn other_state(entry: &str, saved: &Pack, loaded: &Pack, model: &impl Module) -> String {
    let id = entry.split('.').next().unwrap_or_default();
    let param = ParamInfo::all(model).into_iter().find(|p| p.id.val().to_string() == id);
    let fields = |pack: &Pack| match pack.state_fields(id) {
        fields if fields.is_empty() => "nothing".to_owned(),
        fields => format!("`{}`", fields.join("`, `")),
    };
    format!(
        "the checkpoint's optimizer keeps {} of `{}`, this run's takes {} of it: it is of another kind or precision, so \
         take the run up with the optimizer of the run that wrote it",
        fields(saved),
        param.as_ref().map_or(id, |p| &p.path),
        fields(loaded)
    )
}

/// Loads a learning-rate scheduler's record.
pub(super) fn load_scheduler(
    scheduler: ModuleLrScheduler,
    bytes: Bytes,
) -> Result<ModuleLrScheduler, CheckpointError> {
    let error = |e: RecordError| CheckpointError::misfit(SCHEDULER, &e.to_string());
    without_panic(SCHEDULER, || {
        let record = LrSchedulerRecord::from_bytes(bytes.clone()).map_err(error)?;
        let written = record.clone().into_bytes().map_err(error)?;
        let scheduler = scheduler.load_record(record);
        // Schedulers pass over what they do not know.
        if scheduler.to_record().into_bytes().map_err(error)? != written {
            let message = "the learning-rate scheduler is of another kind";
            return Err(CheckpointError::misfit(SCHEDULER, message));
        }
        let _ = scheduler.clone().step(); // it may stand at the end of all numbers
        Ok(scheduler)
    })
}

/// Burn panics at some records: an error all the same.
fn without_panic<T>(
    file: &str,
    load: impl FnOnce() -> Result<T, CheckpointError>,
) -> Result<T, CheckpointError> {
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(CheckpointError::misfit(file, text.unwrap_or("unknown")))
    })
}
