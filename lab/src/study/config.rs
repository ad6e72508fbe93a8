use std::collections::BTreeMap;

use burn_apollo::Plan;
use burn_apollo::recipe::{Recipe, Setting};
use burn_apollo::schedule::{LayerRates, Until, WarmUp};
use serde::{Deserialize, Serialize};

use super::SCRATCH;
use super::pilot::PILOT;
use crate::error::{LabError, Result};
use crate::optimizer::OptimizerKind;

/// What a study compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// Names of [`Recipe`]s and of `plans`; `scratch`, which the others are compared with, is always among them.
    pub recipes: Vec<String>,
    /// Recipes of one's own: plans by the names that `recipes` has for them ([`with_plan`](Self::with_plan)).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plans: BTreeMap<String, Plan>,
    /// Layers of shallower models that are trained too, from scratch and alone, for as many operations: they tell whether the
    /// full depth pays at all. [`Study::with_depths`](super::Study::with_depths) says how such a model is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depths: Vec<usize>,
    /// Optimizers, each with all recipes.
    pub optimizers: Vec<OptimizerKind>,
    /// The grid of peak learning rates.
    pub learning_rates: Vec<f64>,
    /// Seeds of weights, data and depths; the learning rate is chosen on the first.
    pub seeds: Vec<u64>,
    /// Optimizer steps of the longest training from scratch.
    pub steps: u64,
    /// Lengths, as shares of that training's operations, from 0 to 1.
    pub shares: Vec<f64>,
    /// The length that learning rates are compared at.
    pub tuning_share: f64,
    /// The last parameters of a layer's residual branches, for recipes that set them to zero.
    pub output_projections: Vec<String>,
    /// Steps of the warm-up in trainings of all lengths, so that those alike begin alike and can share their beginning;
    /// each recipe's own fraction of the training if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<u64>,
    /// Validations, and checkpoints, of each training; with a fixed warm-up, of the longest from scratch, and at the same
    /// steps in all.
    pub validations: u64,
    /// Whether what trainings have in common at their beginning is trained once: that changes no result, but how long the
    /// study takes.
    #[serde(skip, default = "yes")]
    pub share_beginnings: bool,
    /// Whether each recipe is also trained, with one seed and at the length that rates are compared at, with its last growth
    /// at a quarter of the run: that measures how soon a grown model catches up ([`Mixing`](super::Mixing)).
    #[serde(default)]
    pub pilot: bool,
    /// Which seconds are compared.
    #[serde(default)]
    pub clock: Clock,
    /// Cells that are trained side by side.
    #[serde(skip, default = "one")]
    pub workers: usize,
}

/// Which seconds of a training are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Those on the wall: right where the machine does nothing else.
    #[default]
    Wall,
    /// Those of the processor: where the model runs on it with one thread, what the wall's would be on an idle machine.
    Processor,
}

/// How the names of shallower models begin.
const DEPTH: &str = "depth_";

/// What of a plan ends at a step, whatever the length of the run.
fn ends_at_a_step(plan: &Plan) -> Option<&'static str> {
    let is_step = |until: &Until| matches!(until, Until::Step(_));
    let mut stages = plan.schedule.iter().flat_map(|schedule| &schedule.stages);
    if stages.any(|stage| stage.until.as_ref().is_some_and(is_step)) {
        return Some("a stage");
    }
    if plan.early_samplers.iter().any(|early| is_step(&early.until)) {
        return Some("an early sampler");
    }
    match &plan.layer_rates {
        LayerRates::ByAgeUntil { until, .. } if is_step(until) => Some("a layer rate"),
        _ => None,
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl StudyConfig {
    /// Training from scratch against `recipes`, with AdamW, over three seeds, for lengths up to `steps`.
    pub fn new<S: Into<String>>(recipes: impl IntoIterator<Item = S>, steps: u64) -> Self {
        let mut names = vec![SCRATCH.to_owned()];
        for name in recipes {
            let name = name.into();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self {
            recipes: names,
            plans: BTreeMap::new(),
            depths: Vec::new(),
            optimizers: vec![OptimizerKind::AdamW],
            learning_rates: vec![1e-3, 3e-3, 1e-2],
            seeds: vec![1, 2, 3],
            steps,
            shares: vec![0.35, 0.5, 0.7, 1.0],
            tuning_share: 0.5,
            output_projections: Vec::new(),
            warm_up: None,
            validations: 8,
            share_beginnings: true,
            pilot: false,
            clock: Clock::default(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Adds a recipe of one's own. Every training has the plan with its own number of steps and its own seed, so the plan's are
    /// not read; its stages, and all else that has an end, end at fractions of the run.
    ///
    /// What a growth policy that is not fixed costs is known after the training alone: its trainings are as long as if it
    /// grew where the stages end, and savings are read from what they cost in the end.
    ///
    /// ```
    /// use burn_apollo::Plan;
    /// use burn_apollo::schedule::Schedule;
    /// use burn_apollo_lab::study::StudyConfig;
    ///
    /// let steps = 1000;
    /// let late = Plan::new(steps).with_schedule(Schedule::one_hop(&[2], &[8], 0.7));
    /// let study = StudyConfig::new(["g_stack"], steps).with_plan("late", late);
    /// assert_eq!(study.recipes, ["scratch", "g_stack", "late"]);
    /// ```
    pub fn with_plan(mut self, name: impl Into<String>, plan: Plan) -> Self {
        let name = name.into();
        if !self.recipes.contains(&name) {
            self.recipes.push(name.clone());
        }
        self.plans.insert(name, plan);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        self.check_recipes()?;
        let wrong = |field, value: String, right| Err(LabError::Setting { field, value, right });
        if self.recipes.first().map(String::as_str) != Some(SCRATCH) {
            return wrong(
                "recipes",
                format!("{:?}", self.recipes),
                "a list that begins with scratch",
            );
        }
        if self.steps < 10 {
            return wrong("steps", self.steps.to_string(), "at least 10");
        }
        for (field, empty) in [
            ("optimizers", self.optimizers.is_empty()),
            ("learning_rates", self.learning_rates.is_empty()),
            ("seeds", self.seeds.is_empty()),
            ("shares", self.shares.is_empty()),
        ] {
            if empty {
                return wrong(field, "empty".to_owned(), "a list of at least one");
            }
        }
        if let Some((field, value)) = self.twice() {
            return wrong(field, format!("{value} twice"), "a list without repetitions");
        }
        let shares = self.shares.iter().chain([&self.tuning_share]).copied();
        if let Some(share) = shares.clone().find(|share| !(*share > 0.0 && *share <= 1.0)) {
            return wrong("shares", share.to_string(), "above 0 and at most 1");
        }
        let shortest = shares.fold(1.0, f64::min) * self.steps as f64;
        match self.warm_up {
            Some(steps) if steps == 0 || steps as f64 >= shortest.floor() => wrong(
                "warm_up",
                steps.to_string(),
                "at least 1 and below the steps of every training",
            ),
            _ => Ok(()),
        }
    }

    /// The first list that holds a value twice, and the value: a seed would count as two.
    fn twice(&self) -> Option<(&'static str, String)> {
        let optimizers = self.optimizers.iter().map(|kind| kind.name().to_owned()).collect();
        [
            ("recipes", self.recipes.clone()),
            ("depths", self.depths.iter().map(usize::to_string).collect()),
            ("optimizers", optimizers),
            ("learning_rates", self.learning_rates.iter().map(f64::to_string).collect()),
            ("seeds", self.seeds.iter().map(u64::to_string).collect()),
            ("shares", self.shares.iter().map(f64::to_string).collect::<Vec<_>>()),
        ]
        .into_iter()
        .find_map(|(field, values)| {
            let seen = |i: usize| values[..i].contains(&values[i]);
            let again = (0..values.len()).find(|i| seen(*i))?;
            Some((field, values[again].clone()))
        })
    }

    fn check_recipes(&self) -> Result<()> {
        let wrong = |field, value: String, right| Err(LabError::Setting { field, value, right });
        for (name, plan) in &self.plans {
            let is_file_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_file_name) || name.ends_with(PILOT) {
                let right = "letters, digits, _ and -, and no end in -pilot: names of a plan and of its folders";
                return wrong("plans", format!("{name:?}"), right);
            }
            if Recipe::by_name(name).is_ok() || self.depth_of(name).is_some() {
                let right = "a name that no published recipe and no shallower model has";
                return wrong("plans", format!("{name:?}"), right);
            }
            if let Some(part) = ends_at_a_step(plan) {
                let right = "an end at a fraction of the run, as trainings have several lengths";
                return wrong("plans", format!("{part} of {name} that ends at a step"), right);
            }
        }
        for name in self.recipes.iter().filter(|name| !self.plans.contains_key(*name)) {
            let recipe = Recipe::by_name(name).map_err(LabError::usage)?;
            if recipe.is_zeroed() && self.output_projections.is_empty() {
                let right = "the names of those that the recipe sets to zero";
                return wrong("output_projections", format!("none for {name}"), right);
            }
        }
        Ok(())
    }

    /// The names of all that is trained: the recipes, and each shallower model's.
    pub fn names(&self) -> Vec<String> {
        let depths = self.depths.iter().map(|depth| format!("{DEPTH}{depth}"));
        self.recipes.iter().cloned().chain(depths).collect()
    }

    /// The layers of the shallower model of a name; none for a recipe's.
    pub fn depth_of(&self, name: &str) -> Option<usize> {
        let depth = name.strip_prefix(DEPTH)?.parse().ok()?;
        self.depths.contains(&depth).then_some(depth)
    }

    /// The plan of a recipe for a training of so many steps of a model with stacks of these target depths, which are those of the
    /// shallower model for its name.
    ///
    /// # Errors
    ///
    /// A name that is no recipe's; a recipe that sets output projections to zero, where none is named; a plan that does not
    /// fit the model.
    pub fn plan(&self, recipe: &str, steps: u64, targets: &[usize]) -> Result<Plan> {
        let plan = match self.plans.get(recipe) {
            None => {
                let is_shallower = self.depth_of(recipe).is_some();
                let name = if is_shallower { SCRATCH } else { recipe };
                let recipe = Recipe::by_name(name).map_err(LabError::usage)?;
                recipe.plan(&self.setting(steps, targets)).map_err(LabError::usage)?
            }
            Some(own) => {
                let lr =
                    self.warm_up.map_or(own.lr, |steps| own.lr.with_warm_up(WarmUp::Steps(steps)));
                let schedule = own.schedule_for(targets);
                Plan { steps, ..own.clone() }.with_lr(lr).with_schedule(schedule)
            }
        };
        plan.check(targets)?;
        Ok(plan)
    }

    /// The longest of the lengths.
    pub(super) fn longest(&self) -> f64 {
        self.shares.iter().copied().fold(0.0, f64::max)
    }

    /// What a published recipe is applied to.
    fn setting(&self, steps: u64, targets: &[usize]) -> Setting {
        let setting = Setting::new(steps, targets)
            .with_output_projections(self.output_projections.iter().cloned());
        match self.warm_up {
            Some(steps) => setting.with_warm_up(WarmUp::Steps(steps)),
            None => setting,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn_apollo::depth::ConstantLow;
    use burn_apollo::schedule::Schedule;

    use super::*;

    fn refused(config: &StudyConfig) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_counted_twice() {
        let config = || StudyConfig::new(["g_stack"], 100);
        config().check().unwrap();
        let seeds = refused(&StudyConfig { seeds: vec![1, 2, 1], ..config() });
        assert!(seeds.contains("`seeds`") && seeds.contains("1 twice"), "{seeds}");
        let rates = refused(&StudyConfig { learning_rates: vec![0.01, 0.01], ..config() });
        assert!(rates.contains("`learning_rates`") && rates.contains("0.01 twice"), "{rates}");
        let depths = refused(&StudyConfig { depths: vec![3, 3], ..config() });
        assert!(depths.contains("`depths`"), "{depths}");
    }

    #[test]
    fn plans_of_one_s_own_have_no_ends_at_steps() {
        let own = || Plan::new(1).with_schedule(Schedule::one_hop(&[1], &[4], 0.5));
        let with = |plan| StudyConfig::new(["g_stack"], 100).with_plan("own", plan);
        let fraction = own().with_early_sampler(ConstantLow, Until::Fraction(0.2));
        with(fraction).check().unwrap();
        let rates = LayerRates::ByAgeUntil { factors: vec![1.0, 0.0], until: Until::Step(9) };
        for (plan, words) in [
            (own().with_early_sampler(ConstantLow, Until::Step(9)), "an early sampler of own"),
            (own().with_layer_rates(rates), "a layer rate of own"),
        ] {
            let error = refused(&with(plan));
            assert!(error.contains(words), "{error}");
        }
    }
}
