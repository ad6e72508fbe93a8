//! `--plan`: what each recipe would cost, and what a budget would buy.

use apollo_examples::Failure;
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::cost::{ModelCost, PlanCost};
use burn_apollo::depth::DepthSamplerConfig;
use burn_apollo::recipe::Recipe;
use burn_apollo::schedule::LrShape;
use burn_apollo::stack::Growable;
use burn_apollo_lab::cost::Hop;
use burn_apollo_lab::study::{CellKind, Comparison, StudyConfig};
use burn_apollo_lab::{LabError, OptimConfig, OptimizerKind, Task, forecast};

use crate::options::Options;

/// Prints what each recipe would cost, stage by stage, and each shallower model.
pub fn show<T: Task>(
    options: &Options,
    study: &StudyConfig,
    measured: Option<&Comparison>,
    task_of: impl Fn(Option<usize>) -> Result<T, LabError>,
    device: &Device,
) -> Result<(), Failure> {
    let task = task_of(None)?;
    let items = task.items(&task.batch(0, device)?);
    let (targets, model) = shape(&task, device)?;
    let step = model.training(&targets);
    for kind in study.kinds() {
        let name = kind.to_string();
        if let CellKind::Depth(depth) = kind {
            let task = task_of(Some(depth))?;
            let (targets, cost) = shape(&task, device)?;
            let steps = (study.steps as f64 * step / cost.training(&targets)).round() as u64;
            let plan = study.plan(&kind, steps, &targets)?;
            let layers = if depth == 1 { "layer" } else { "layers" };
            let about = format!(
                "{depth} {layers} alone, for as many FLOPs as {} steps of the full model",
                study.steps
            );
            for optimizer in &study.optimizers {
                costs(study, *optimizer, (&name, &about), &task, &plan, (items, device))?;
                println!();
            }
            continue;
        }
        let plan = study.plan(&kind, study.steps, &targets)?;
        let about = match Recipe::by_name(&name) {
            Ok(recipe) => format!("{} ({})", recipe.summary(), recipe.source()),
            Err(_) => "a plan of your own".to_owned(),
        };
        for optimizer in &study.optimizers {
            let cost = costs(study, *optimizer, (&name, &about), &task, &plan, (items, device))?;
            if let Some(budget) = options.budget {
                let found = measured.iter().flat_map(|comparison| &comparison.mixing);
                let mut found = found.filter(|m| m.optimizer == *optimizer && m.recipe == name);
                let found = found.find_map(|mixing| Some(mixing.steps?.mean.ceil() as u64));
                let mixing = options.t_mix.or(found);
                println!("{}", bought(budget, mixing, &plan, &cost, &model, items));
            }
            println!();
        }
    }
    Ok(())
}

/// Target depths and cost of a task's model.
fn shape<T: Task>(task: &T, device: &Device) -> Result<(Vec<usize>, ModelCost), Failure> {
    let model = task.model(device)?;
    let targets = model.stacks().iter().map(|stack| stack.target_depth()).collect();
    Ok((targets, task.cost(&model)))
}

/// Prints what a plan would cost.
fn costs<T: Task>(
    study: &StudyConfig,
    kind: OptimizerKind,
    (name, about): (&str, &str),
    task: &T,
    plan: &Plan,
    (items, device): (u64, &Device),
) -> Result<PlanCost, Failure> {
    let with = match study.optimizers.len() {
        1 => String::new(),
        _ => format!(", with {}", kind.name()),
    };
    let optimizer = OptimConfig { kind, ..OptimConfig::default() };
    let cost = forecast(task, &optimizer, plan, items, device)?;
    println!("{name}: {about}{with}\n{cost}");
    Ok(cost.cost)
}

/// What a budget buys: with one growth, the latest that leaves room for decay and mixing time, and else the recipe's stages.
fn bought(
    budget: f64,
    mixing: Option<u64>,
    plan: &Plan,
    cost: &PlanCost,
    model: &ModelCost,
    items: u64,
) -> String {
    let words = format!("{budget:.3e} FLOPs buy");
    if let (
        [first, full],
        LrShape::WarmupStableDecay { decay, .. },
        DepthSamplerConfig::ConstantLow,
    ) = (cost.stages.as_slice(), plan.lr, &plan.sampler)
        && plan.early_samplers.is_empty()
    {
        let (first, full) = (first.layers.clone(), full.layers.clone());
        let hop = Hop { first, full, decay, mixing: mixing.unwrap_or(0), items };
        let why = match mixing {
            Some(steps) => format!("for a mixing time of {steps} steps"),
            None => "before the decay; the mixing time is not known".to_owned(),
        };
        return match hop.within(model, budget) {
            Some(run) if run.growth > 0 => {
                format!("{words} {} steps, growing before step {}, {why}", run.steps, run.growth)
            }
            Some(run) => format!("{words} {} steps, too few to grow, {why}", run.steps),
            None => format!("{words} no step"),
        };
    }
    let steps = budget / cost.operations * plan.steps as f64;
    format!("{words} {} steps", steps.floor())
}
