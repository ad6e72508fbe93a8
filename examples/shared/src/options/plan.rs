//! Options that the examples share: the plan of a run.

use std::path::{Path, PathBuf};

use burn_apollo::Plan;
use burn_apollo::depth::{DrawPer, Sampler};
use burn_apollo::expand::{Expansion, NewLayers};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::policy::LossPlateau;
use burn_apollo::recipe::{Recipe, RecipeError, Setting};
use burn_apollo::schedule::Schedule;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use crate::options::run::RunOptions;
use crate::{Failure, usage};

/// How a run grows.
#[derive(Args, Debug, Clone)]
pub struct PlanOptions {
    /// When to grow: at the schedule's ends, or at a plateau of the training loss and there at the latest
    #[arg(long, value_enum, default_value_t)]
    pub policy: When,
    /// Distribution of the virtual depth
    #[arg(long, default_value = "lvps", value_parser = named::<Sampler>(&["lvps", "uniform", "sigmoid", "constant-high", "constant-low"]))]
    pub sampler: Sampler,
    /// How often a virtual depth is drawn
    #[arg(long, default_value = "optimizer-step", value_parser = named::<DrawPer>(&["optimizer-step", "micro-batch"]))]
    pub draw_per: DrawPer,
    /// Which layer each virtual or new layer comes from
    #[arg(long, default_value = "interpolation", value_parser = named::<Expansion>(&["interpolation", "stacking"]))]
    pub expander: Expansion,
    /// Parameters that are zero in the new layers of a growth, so that these begin as the identity: the last of each
    /// residual branch, separated by commas (gpt: attn.c_proj,mlp.c_proj); new layers are copies if not given
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub zeroed: Vec<String>,
    /// What the optimizer state of copied layers becomes
    #[arg(long, default_value = "scaled", value_parser = named::<MomentPolicy>(&["reset", "fresh-copies", "copy", "scaled"]))]
    pub moments: MomentPolicy,
    /// Stages from a TOML or JSON file instead of the paper's 1/12, 1/4, 1/2 and all layers
    #[arg(long, value_name = "FILE", conflicts_with = "from_scratch")]
    pub schedule: Option<PathBuf>,
    /// Train all layers from the first step: the baseline
    #[arg(long)]
    pub from_scratch: bool,
    /// A published method by its name, its learning-rate shape included; a wrong name lists them. One that sets output
    /// projections to zero needs --zeroed
    #[arg(long, value_name = "NAME", value_parser = recipe, conflicts_with_all = [
        "policy", "sampler", "draw_per", "expander", "moments", "schedule", "from_scratch", "lr_shape", "warm_up", "decay", "min_lr",
    ])]
    pub recipe: Option<Recipe>,
    /// The whole plan from a TOML or JSON file, its steps, seed and learning-rate shape included
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "policy", "sampler", "draw_per", "expander", "zeroed", "moments", "schedule", "from_scratch", "recipe", "steps", "seed",
        "lr_shape", "warm_up", "decay", "min_lr",
    ])]
    pub plan: Option<PathBuf>,
}

/// When to grow.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum When {
    #[default]
    Fixed,
    Plateau,
}

impl PlanOptions {
    /// The plan of a run of a model whose stacks have these target depths.
    pub fn plan(&self, run: &RunOptions, targets: &[usize]) -> Result<Plan, Failure> {
        if let Some(file) = &self.plan {
            let plan: Plan = read("--plan", file)?;
            let schedule = plan.schedule_for(targets);
            return Ok(plan.with_schedule(schedule));
        }
        if let Some(recipe) = &self.recipe {
            let plan = self.of_recipe(recipe, run.steps, targets)?;
            return Ok(plan.with_seed(run.seed));
        }
        let schedule = match &self.schedule {
            Some(file) => read("--schedule", file)?,
            None if self.from_scratch => Schedule::from_scratch(targets),
            None => Schedule::paper(targets),
        };
        let plan = run
            .plan()?
            .with_schedule(schedule)
            .with_sampler(self.sampler.clone())
            .with_draw_per(self.draw_per)
            .with_expander(self.expander.clone())
            .with_moments(self.moments);
        let plan = self.zeroed(plan);
        Ok(match self.policy {
            When::Fixed => plan,
            When::Plateau => {
                // A plateau is two percent of the run without a fall, and at least ten steps.
                let plateau = LossPlateau::new((plan.steps / 50).max(10)).map_err(usage)?;
                plan.with_policy(plateau)
            }
        })
    }

    fn of_recipe(&self, recipe: &Recipe, steps: u64, targets: &[usize]) -> Result<Plan, Failure> {
        let name = recipe.name();
        if recipe.is_zeroed() && self.zeroed.is_empty() {
            return Err(usage(format!(
                "--recipe {name} needs --zeroed: what is zero in new layers"
            )));
        }
        let setting =
            Setting::new(steps, targets).with_output_projections(self.zeroed.iter().cloned());
        Ok(self.zeroed(recipe.plan(&setting).map_err(usage)?))
    }

    fn zeroed(&self, plan: Plan) -> Plan {
        match self.zeroed.as_slice() {
            [] => plan,
            names => plan.with_new_layers(NewLayers::zeroed(names.iter().cloned())),
        }
    }
}

/// A recipe by its name.
fn recipe(name: &str) -> Result<Recipe, RecipeError> {
    Recipe::by_name(name).copied()
}

/// A part of a plan by one of `names`.
fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let part = |name: String| serde_json::from_value(name.replace('-', "_").into());
    PossibleValuesParser::new(names).try_map(part)
}

/// Data from a TOML or JSON file.
fn read<T: DeserializeOwned>(option: &str, file: &Path) -> Result<T, Failure> {
    let error = |e: &dyn std::fmt::Display| {
        let message = e.to_string();
        let line = message.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
        usage(format!("{option} {}: {line}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|e| error(&e))?;
    match file.extension().is_some_and(|e| e == "json") {
        true => serde_json::from_str(&text).map_err(|e| error(&e)),
        false => toml::from_str(&text).map_err(|e| error(&e)),
    }
}

/// A probability of dropout.
pub fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (0.0..1.0).contains(&p) => Ok(p),
        _ => Err("must be a number from 0 to below 1".to_owned()),
    }
}
