//! `--plan`: what each recipe would cost, and what a budget would buy.

use apollo_examples::Failure;
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::cost::{Hop, ModelCost, PlanCost};
use burn_apollo::depth::Sampler;
use burn_apollo::recipe::Recipe;
use burn_apollo::schedule::LrShape;
use burn_apollo::stack::Growable;
use burn_apollo_lab::study::{Comparison, StudyConfig};
use burn_apollo_lab::{OptimConfig, Task, forecast};

use crate::options::Options;

/// Prints what each recipe would cost, stage by stage.
pub fn show<T: Task>(
    options: &Options,
    study: &StudyConfig,
    measured: Option<&Comparison>,
    task: &T,
    (items, device): (u64, &Device),
) -> Result<(), Failure> {
    let model = task.model(device)?;
    let targets: Vec<usize> = model.stacks().iter().map(|stack| stack.target_depth()).collect();
    let model = task.cost(&model);
    for name in &study.recipes {
        let plan = study.plan(name, study.steps, &targets)?;
        let about = match Recipe::by_name(name) {
            Ok(recipe) => format!("{} ({})", recipe.summary(), recipe.source()),
            Err(_) => "a plan of your own".to_owned(),
        };
        for kind in &study.optimizers {
            let with = match study.optimizers.len() {
                1 => String::new(),
                _ => format!(", with {}", kind.name()),
            };
            let optimizer = OptimConfig { kind: *kind, ..OptimConfig::default() };
            let cost = forecast(task, &optimizer, &plan, items, device)?;
            println!("{name}: {about}{with}\n{cost}");
            if let Some(budget) = options.budget {
                let found = measured.iter().flat_map(|comparison| &comparison.mixing);
                let mut found = found.filter(|m| m.optimizer == *kind && m.recipe == *name);
                let found = found.find_map(|mixing| Some(mixing.steps?.mean.ceil() as u64));
                println!(
                    "{}",
                    bought(budget, options.t_mix.or(found), &plan, &cost, &model, items)
                );
            }
            println!();
        }
    }
    Ok(())
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
    if let ([first, full], LrShape::WarmupStableDecay { decay, .. }, Sampler::ConstantLow) =
        (cost.stages.as_slice(), plan.lr, &plan.sampler)
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
