//! Whether a run that takes up a set trains by the rules of the run that wrote it.

use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use serde::Serialize;
use serde_json::{Map, Value};

use super::CheckpointError;
use super::format_v1::PlanV1;
use super::manifest::{Manifest, SavedPlan};
use crate::apollo::Apollo;
use crate::optim::Differs;
use crate::panic::caught;
use crate::plan::Plan;
use crate::stack::Growable;

/// # Errors
///
/// [`CheckpointError::OtherPlan`] with the first field that differs.
pub(super) fn same_plan<M>(saved: &Manifest, apollo: &Apollo<M>) -> Result<(), CheckpointError> {
    let (before, now) = match &saved.plan {
        SavedPlan::V1(plan) => (fields(plan), fields(&PlanV1::of(apollo))),
        SavedPlan::Plan(plan) => {
            let with_targets = |plan: &Plan, targets: &[usize]| {
                let mut fields = fields(plan);
                fields.insert("targets".to_owned(), targets.into());
                fields
            };
            (with_targets(plan, &saved.targets), with_targets(apollo.plan(), apollo.targets()))
        }
    };
    let mut names = before.keys().chain(now.keys());
    let Some(field) = names.find(|field| before.get(*field) != now.get(*field)) else {
        return Ok(());
    };
    let value = |fields: &Map<String, Value>| {
        fields.get(field).map_or_else(|| "nothing".to_owned(), Value::to_string)
    };
    let (saved, now) = (value(&before), value(&now));
    Err(CheckpointError::OtherPlan { field: field.clone(), saved, now })
}

/// The fields of a plan by name.
fn fields(plan: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(plan) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// # Errors
///
/// [`CheckpointError::OtherOptimizer`] with the first parameter that `optim` trains in another way.
pub(super) fn same_optimizer<M: Growable>(
    saved: &Manifest,
    apollo: &Apollo<M>,
    optim: &ModuleOptimizer,
) -> Result<(), CheckpointError> {
    let now = saved.optimizer.as_ref().and_then(|_| apollo.treatments(optim));
    let (Some(saved), Some(now)) = (&saved.optimizer, now) else { return Ok(()) };
    match saved.differ_from(&now) {
        None => Ok(()),
        Some(Differs { param, saved, now }) => {
            Err(CheckpointError::OtherOptimizer { param, saved, now })
        }
    }
}

/// # Errors
///
/// [`CheckpointError::OtherRate`] where the next learning rate is another.
pub(super) fn same_rate(
    saved: &Manifest,
    scheduler: &ModuleLrScheduler,
) -> Result<(), CheckpointError> {
    let step = saved.step;
    let (Some(saved), Some(now)) = (saved.next_rate, next_rate(scheduler)) else { return Ok(()) };
    // Another machine may round a cosine in another way.
    match (saved - now).abs() <= 1e-9 * saved.abs() {
        true => Ok(()),
        false => Err(CheckpointError::OtherRate { step, saved, now }),
    }
}

/// The learning rate that a scheduler gives next; none where it gives no finite one.
pub(crate) fn next_rate(scheduler: &ModuleLrScheduler) -> Option<f64> {
    let mut scheduler = scheduler.clone();
    caught(|| scheduler.step().base()).ok().filter(|rate| rate.is_finite())
}
