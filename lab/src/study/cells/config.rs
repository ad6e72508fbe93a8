use std::collections::BTreeMap;

use burn_apollo::Plan;
use burn_apollo::recipe::{Recipe, Setting};
use burn_apollo::schedule::{LayerRates, Until, WarmUp};
use serde::{Deserialize, Serialize};

use super::kind::{CellKind, SCRATCH};
use super::pilot::early;
use crate::config::OptimizerKind;
use crate::error::{LabError, Result};

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
    /// full depth pays at all. [`Study::with_depths`](crate::study::Study::with_depths) says how such a model is made.
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
    /// Steps of the warm-up in trainings of all lengths; each recipe's own fraction of the training if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<u64>,
    /// Validations, and checkpoints, of each training; with a fixed warm-up, of the longest from scratch, and at the same
    /// steps in all.
    pub validations: u64,
    /// Whether each recipe is also trained, with one seed and at the length that rates are compared at, with its last growth
    /// at a quarter of the run: that measures how soon a grown model catches up ([`Mixing`](crate::study::Mixing)).
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

/// Parts of the longest training from scratch over which losses are averaged.
const BLOCKS: u64 = 64;

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

    /// Refuses what no study can have.
    pub(in crate::study) fn check(&self) -> Result<()> {
        self.check_recipes()?;
        let refuse = |field, value: String, right| Err(LabError::setting(field, value, right));
        if self.recipes.first().map(String::as_str) != Some(SCRATCH) {
            let found = format!("{:?}", self.recipes);
            return refuse("recipes", found, "a list that begins with scratch");
        }
        if self.steps < 10 {
            return refuse("steps", self.steps.to_string(), "at least 10");
        }
        for (field, values) in self.lists() {
            if values.is_empty() && field != "depths" {
                return refuse(field, "empty".to_owned(), "a list of at least one");
            }
            // A seed would count as two.
            let again = (0..values.len()).find(|i| values[..*i].contains(&values[*i]));
            if let Some(i) = again {
                let right = "a list without repetitions";
                return refuse(field, format!("{} twice", values[i]), right);
            }
        }
        let shares = self.shares.iter().chain([&self.tuning_share]).copied();
        if let Some(share) = shares.clone().find(|share| !(*share > 0.0 && *share <= 1.0)) {
            return refuse("shares", share.to_string(), "above 0 and at most 1");
        }
        let shortest = shares.fold(1.0, f64::min) * self.steps as f64;
        match self.warm_up {
            Some(steps) if steps == 0 || steps as f64 >= shortest.floor() => {
                let right = "at least 1 and below the steps of every training";
                refuse("warm_up", steps.to_string(), right)
            }
            _ => Ok(()),
        }
    }

    /// Its lists by name, as text.
    fn lists(&self) -> [(&'static str, Vec<String>); 6] {
        fn text<T: ToString>(values: &[T]) -> Vec<String> {
            values.iter().map(T::to_string).collect()
        }
        let optimizers = self.optimizers.iter().map(|kind| kind.name().to_owned()).collect();
        [
            ("recipes", self.recipes.clone()),
            ("depths", text(&self.depths)),
            ("optimizers", optimizers),
            ("learning_rates", text(&self.learning_rates)),
            ("seeds", text(&self.seeds)),
            ("shares", text(&self.shares)),
        ]
    }

    fn check_recipes(&self) -> Result<()> {
        let refuse = |value: String, right| Err(LabError::setting("plans", value, right));
        for (name, plan) in &self.plans {
            let is_file_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let kind = CellKind::from(name.clone());
            let is_pilot = matches!(kind, CellKind::Pilot(_));
            if name.is_empty() || !name.chars().all(is_file_name) || is_pilot {
                let right = "letters, digits, _ and -, and no end in -pilot: names of a plan and of its folders";
                return refuse(format!("{name:?}"), right);
            }
            if Recipe::by_name(name).is_ok() || matches!(kind, CellKind::Depth(_)) {
                let right = "a name that no published recipe and no shallower model has";
                return refuse(format!("{name:?}"), right);
            }
            if let Some(part) = ends_at_a_step(plan) {
                let right = "an end at a fraction of the run, as trainings have several lengths";
                return refuse(format!("{part} of {name} that ends at a step"), right);
            }
        }
        for name in self.recipes.iter().filter(|name| !self.plans.contains_key(*name)) {
            let recipe = Recipe::by_name(name).map_err(LabError::usage)?;
            if recipe.is_zeroed() && self.output_projections.is_empty() {
                let right = "the names of those that the recipe sets to zero";
                let found = format!("none for {name}");
                return Err(LabError::setting("output_projections", found, right));
            }
        }
        Ok(())
    }

    /// All that is compared: the recipes, from scratch first, and each shallower model.
    pub fn kinds(&self) -> Vec<CellKind> {
        let recipes = self.recipes.iter().cloned().map(CellKind::from);
        recipes.chain(self.depths.iter().copied().map(CellKind::Depth)).collect()
    }

    /// The plan of a training of so many steps of a model with stacks of these target depths, which are those of the
    /// shallower model where that is trained.
    ///
    /// # Errors
    ///
    /// A name that is no recipe's; a recipe that sets output projections to zero, where none is named; a plan that does not
    /// fit the model.
    pub fn plan(&self, kind: &CellKind, steps: u64, targets: &[usize]) -> Result<Plan> {
        let plan = match self.plans.get(kind.recipe()) {
            None => {
                let recipe = Recipe::by_name(kind.recipe()).map_err(LabError::usage)?;
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
        Ok(match kind {
            CellKind::Pilot(_) => early(plan.clone(), targets).unwrap_or(plan),
            _ => plan,
        })
    }

    /// Steps over which training losses are averaged.
    pub(in crate::study) fn block(&self) -> u64 {
        (self.steps / BLOCKS).max(1)
    }

    /// The longest of the lengths.
    pub(in crate::study) fn longest(&self) -> f64 {
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
