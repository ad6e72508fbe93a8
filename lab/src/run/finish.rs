//! The end of a run: its model without a trace of Apollo, and what it came to.

use burn::module::Module;
use serde::Serialize;

use crate::error::{LabError, Result};
use crate::folder::{RunFolder, to_json};
use crate::results::{Growth, MODEL, REGISTRY, SUMMARY, Summary};
use crate::run::state::Run;
use crate::run::step::Shared;
use crate::task::{Task, items_per_step, targets};
use crate::terminal::printable;

/// Writes model, files and summary of a run that has done all of its steps, and says what it came to.
pub fn finish<T: Task, C: Serialize>(run: Run<T, C>, dir: &RunFolder) -> Result<()> {
    let (growths, registry) = (growths(&run), run.apollo.registry());
    let items_per_second = run.items_per_second();
    let Run { shared, apollo, state, .. } = run;
    let Shared { task, config, device, cost, observers, .. } = &*shared;
    let targets = targets(apollo.model());
    let items = items_per_step(task, config.accumulate, device)?;
    let model = apollo.into_inner().map_err(LabError::Step)?;
    let write = |name: &str, content: &str| {
        dir.write(name, content).map_err(|e| LabError::write(name, e.to_string()))
    };
    task.files().into_iter().try_for_each(|(name, content)| write(name, content))?;
    let saved = model.clone().save_file(dir.file(MODEL));
    saved.map_err(|e| LabError::write(MODEL, e.to_string()))?;

    let model = model.valid();
    let score = task.validate(&model, device)?;
    let summary = Summary {
        config,
        growths,
        val_loss: score.loss,
        val_accuracy: score.accuracy,
        measures: task.measures(&model, device)?,
        by_position: task.by_position(&model, device)?,
        baseline: task.baseline(device)?,
        layer_passes: state.layer_passes,
        operations: state.meter.operations(),
        operations_from_scratch: cost.training(&targets) * (items * config.plan.steps) as f64,
        seconds: state.seconds,
        cpu_seconds: state.cpu_seconds,
        parameters: model.num_params(),
        items_per_second,
    };
    write(REGISTRY, &to_json(&registry))?;
    write(SUMMARY, &to_json(&summary))?;
    observers.message(&in_words(&summary, &task.unit(), T::ITEMS))?;
    let best = dir.checkpoints.best_good().map_err(LabError::failed)?;
    if let Some(set) = best.map(|found| found.set)
        && let (true, Some(loss)) = (set.step() < config.plan.steps, set.metric())
    {
        let path = set.path().display();
        observers
            .message(&format!("lowest validation loss of the checkpoints: {loss:.4}, {path}"))?;
    }
    observers.message(&format!("written: {}", dir.path().display()))?;
    match task.show(&model, device)? {
        Some(shown) => observers.message(&format!("\n{}", printable(&shown))),
        None => Ok(()),
    }
}

fn growths<T: Task, C>(run: &Run<T, C>) -> Vec<Growth> {
    let layers = |stage: usize| run.apollo.timeline().layers(stage).iter().sum::<usize>();
    let mut from = layers(0);
    let growths = run.apollo.growths().map(|(step, stage)| {
        let to = layers(stage);
        Growth { step, from: std::mem::replace(&mut from, to), to }
    });
    growths.collect()
}

/// The summary in a line.
fn in_words<C>(summary: &Summary<'_, C>, unit: &str, items: &str) -> String {
    let mut words = format!("validation loss {:.4}", summary.val_loss);
    if !unit.is_empty() {
        words += &format!(" {unit}");
    }
    if let Some(accuracy) = summary.val_accuracy {
        words += &format!(", {:.2} % right", 100.0 * accuracy);
    }
    for (name, share) in &summary.measures {
        words += &format!(", {:.2} % {}", 100.0 * share, name.replace('_', " "));
    }
    if let Some(baseline) = &summary.baseline {
        words += &format!(" ({baseline})");
    }
    words += &format!("; {:.0} {items} per second", summary.items_per_second);
    let share = 100.0 * summary.operations / summary.operations_from_scratch;
    match share.is_finite() && !summary.growths.is_empty() {
        true => words + &format!("; {share:.1} % of the FLOPs of as many steps from scratch"),
        false => words,
    }
}
