//! Options that the examples share: the plan of a run.

use std::path::{Path, PathBuf};

use burn_apollo::Plan;
use burn_apollo::depth::{DepthSamplerConfig, DrawPer};
use burn_apollo::expand::{ExpanderConfig, NewLayers};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::policy::LossPlateau;
use burn_apollo::recipe::{Recipe, Setting};
use burn_apollo::schedule::Schedule;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use crate::options::run::RunOptions;
use crate::{Failure, usage};

/// How a run grows.
#[derive(Args, Debug, Clone)]
pub struct PlanOptions {
    /// A published method by its name, its learning-rate shape included. The options below change one part of it each
    #[arg(long, value_name = "NAME", default_value = "apollo", value_parser = recipes())]
    pub recipe: Recipe,
    /// When to grow: at the schedule's ends, or at a plateau of the training loss (`loss_plateau` in a file with a plan) and there at
    /// the latest
    #[arg(long, value_enum, default_value_t)]
    pub policy: When,
    /// Distribution of the virtual depth
    #[arg(long, value_parser = named::<DepthSamplerConfig>(&["lvps", "uniform", "sigmoid", "constant-high", "constant-low"]))]
    pub sampler: Option<DepthSamplerConfig>,
    /// How often a virtual depth is drawn
    #[arg(long, default_value = "optimizer-step", value_parser = named::<DrawPer>(&["optimizer-step", "micro-batch"]))]
    pub draw_per: DrawPer,
    /// Which layer each virtual or new layer comes from
    #[arg(long, value_parser = named::<ExpanderConfig>(&["interpolation", "stacking"]))]
    pub expander: Option<ExpanderConfig>,
    /// Parameters that are zero in the new layers of a growth, so that these begin as the identity: the last of each
    /// residual branch, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub zeroed: Vec<String>,
    /// What the optimizer state of copied layers becomes
    #[arg(long, value_parser = named::<MomentPolicy>(&["reset", "fresh-copies", "copy", "scaled"]))]
    pub moments: Option<MomentPolicy>,
    /// Stages from a TOML or JSON file in place of the recipe's
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,
    /// Train all layers from the first step: the baseline
    #[arg(long)]
    pub from_scratch: bool,
    /// The whole plan from a TOML or JSON file, its steps, seed and learning-rate shape included
    #[arg(long, value_name = "FILE")]
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
    /// The plan of a run of a model whose stacks have these target depths, and whose residual branches end in
    /// `output_projections`, if new layers can begin as the identity.
    pub fn plan(
        &self,
        run: &RunOptions,
        targets: &[usize],
        output_projections: &[&str],
    ) -> Result<Plan, Failure> {
        if let Some(file) = &self.plan {
            let plan: Plan = read("--plan", file)?;
            let schedule = plan.schedule_for(targets);
            return Ok(plan.with_schedule(schedule));
        }
        let setting = Setting::new(run.steps, targets);
        let setting = match self.zeroed.as_slice() {
            [] => setting.with_output_projections(output_projections.iter().copied()),
            names => setting.with_output_projections(names.iter().cloned()),
        };
        let mut plan = self.recipe.plan(&setting).map_err(|_| self.no_identity())?;
        plan = plan.with_seed(run.seed).with_draw_per(self.draw_per);
        plan.lr = run.rate.over(plan.lr)?;
        match &self.schedule {
            Some(file) => plan = plan.with_schedule(read("--schedule", file)?),
            None if self.from_scratch => plan = plan.with_schedule(Schedule::from_scratch(targets)),
            None => {}
        }
        self.parts(plan)
    }

    /// The parts that were given in the place of the recipe's.
    fn parts(&self, mut plan: Plan) -> Result<Plan, Failure> {
        if let Some(sampler) = &self.sampler {
            plan = plan.with_sampler(sampler.clone());
        }
        if let Some(expander) = &self.expander {
            plan = plan.with_expander(expander.clone());
        }
        if let Some(moments) = self.moments {
            plan = plan.with_moments(moments);
        }
        if !self.zeroed.is_empty() {
            plan = plan.with_new_layers(NewLayers::zeroed(self.zeroed.iter().cloned()));
        }
        if self.policy == When::Plateau {
            // A plateau is two percent of the run without a fall, and at least ten steps.
            let plateau = LossPlateau::new((plan.steps / 50).max(10)).map_err(usage)?;
            plan = plan.with_policy(plateau);
        }
        Ok(plan)
    }

    fn no_identity(&self) -> Failure {
        usage(format!(
            "--recipe {}: no layer of this model begins as the identity; --zeroed says what makes one so",
            self.recipe.name()
        ))
    }
}

/// A recipe by its name.
fn recipes() -> impl TypedValueParser<Value = Recipe> {
    let names = Recipe::all().iter().map(Recipe::name);
    PossibleValuesParser::new(names).try_map(|name| Recipe::by_name(&name).copied())
}

/// A part of a plan by one of `names`.
fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let part = |name: String| serde_json::from_value(name.replace('-', "_").into());
    PossibleValuesParser::new(names).try_map(part)
}

/// Data from a TOML or JSON file that an option names.
pub fn read<T: DeserializeOwned>(option: &str, file: &Path) -> Result<T, Failure> {
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
