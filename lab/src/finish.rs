//! The end of a run: its model without a trace of Apollo, and what it came to.

use burn::module::Module;
use serde::Serialize;

use crate::error::{LabError, Result};
use crate::folder::{RunFolder, to_json};
use crate::options::Options;
use crate::printable::printable;
use crate::results::{Growth, MODEL, REGISTRY, SUMMARY, Summary};
use crate::run::Run;
use crate::step::{Shared, items_per_step, targets};
use crate::task::Task;

/// Writes model, files and summary of a run that has done all of its steps, and says what it came to.
pub fn finish<T: Task, C: Serialize>(
    run: Run<T, C>,
    dir: &RunFolder,
    items_per_second: f64,
    options: &Options,
) -> Result<()> {
    let growths = growths(&run);
    let registry = run.apollo.registry();
    let Run { shared: Shared { task, config, device, cost, .. }, apollo, state, .. } = run;
    let targets = targets(apollo.model());
    let items = items_per_step(task.as_ref(), config.accumulate, &device)?;
    let model = apollo.into_inner().map_err(LabError::Step)?;
    let write = |name: &str, content: &str| {
        dir.write(name, content).map_err(|e| failed(name, e.to_string()))
    };
    task.files().into_iter().try_for_each(|(name, content)| write(name, content))?;
    let file = dir.file(MODEL);
    model.clone().save_file(&file).map_err(|e| failed(MODEL, e.to_string()))?;

    let model = model.valid();
    let score = task.validate(&model, &device)?;
    let summary = Summary {
        config: config.as_ref(),
        growths,
        val_loss: score.loss,
        val_accuracy: score.accuracy,
        measures: task.measures(&model, &device)?,
        by_position: task.by_position(&model, &device)?,
        baseline: task.baseline(&device)?,
        layer_passes: state.layer_passes,
        operations: state.meter.operations(),
        operations_from_scratch: cost.training(&targets) * (items * config.plan.steps) as f64,
        seconds: state.seconds,
        cpu_seconds: state.cpu_seconds,
        shared_steps: state.shared_steps,
        parameters: model.num_params(),
        items_per_second,
    };
    write(REGISTRY, &to_json(&registry))?;
    write(SUMMARY, &to_json(&summary))?;
    options.say(&in_words(&summary, &task.unit(), T::ITEMS));
    let best = dir.checkpoints.best_good().map_err(LabError::failed)?;
    if let Some(set) = best.map(|found| found.set)
        && let (true, Some(loss)) = (set.step() < config.plan.steps, set.metric())
    {
        let path = set.path().display();
        options.say(&format!("lowest validation loss of the checkpoints: {loss:.4}, {path}"));
    }
    options.say(&format!("written: {}", dir.path().display()));
    if let Some(shown) = task.show(&model, &device)? {
        options.say(&format!("\n{}", printable(&shown)));
    }
    Ok(())
}

fn failed(name: &str, cause: String) -> LabError {
    LabError::Write { name: name.to_owned(), cause: cause.into() }
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
