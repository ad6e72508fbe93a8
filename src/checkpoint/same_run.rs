//! Whether a run that takes up a set goes by the settings of the run that wrote it.

use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use serde_json::{Map, Value};

use super::CheckpointError;
use super::manifest::Manifest;
use crate::apollo::Apollo;
use crate::plan::Plan;

/// # Errors
///
/// [`CheckpointError::OtherRun`] with the first field of the plan that differs.
pub(super) fn same_plan<M>(saved: &Manifest, apollo: &Apollo<M>) -> Result<(), CheckpointError> {
    let before = fields(&saved.plan, &saved.targets);
    let now = fields(apollo.plan(), apollo.targets());
    let mut names = before.keys().chain(now.keys());
    let Some(field) = names.find(|field| before.get(*field) != now.get(*field)) else {
        return Ok(());
    };
    let value = |fields: &Map<String, Value>| {
        fields.get(field).map_or_else(|| "nothing".to_owned(), Value::to_string)
    };
    let (saved, now) = (value(&before), value(&now));
    Err(CheckpointError::OtherRun { setting: field.clone(), saved, now })
}

/// The fields of a plan by name, and the target depths.
fn fields(plan: &Plan, targets: &[usize]) -> Map<String, Value> {
    let mut fields = match serde_json::to_value(plan) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("targets".to_owned(), targets.into());
    fields
}

/// # Errors
///
/// [`CheckpointError::OtherRun`] where the next learning rate is another.
pub(super) fn same_rate(
    saved: &Manifest,
    scheduler: &ModuleLrScheduler,
) -> Result<(), CheckpointError> {
    let setting = format!("learning rate of step {}", saved.step);
    let (Some(saved), Some(now)) = (saved.next_rate, next_rate(scheduler)) else { return Ok(()) };
    // Another machine may round a cosine in another way.
    if (saved - now).abs() <= 1e-9 * saved.abs() {
        return Ok(());
    }
    let (saved, now) = (saved.to_string(), now.to_string());
    Err(CheckpointError::OtherRun { setting, saved, now })
}

/// The learning rate that a scheduler gives next; none where it gives no finite one.
pub(crate) fn next_rate(scheduler: &ModuleLrScheduler) -> Option<f64> {
    Some(scheduler.clone().step().base()).filter(|rate| rate.is_finite())
}
