use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apollo_examples::models::transformer::Shape;
use apollo_examples::models::{gpt, transformer};
use apollo_examples::options::optimizer::{Optimizer, norm};
use apollo_examples::options::plan::read;
use apollo_examples::options::run::positive_up_to_one;
use apollo_examples::options::text::{TextConfig, TextOptions};
use apollo_examples::{Defaults, Failure, usage};
use burn_apollo::Plan;
use burn_apollo::recipe::Recipe;
use burn_apollo_lab::study::{Clock, StudyConfig};
use burn_apollo_lab::{OptimConfig, RunConfig};
use clap::parser::ValueSource;
use clap::{ArgMatches, Parser, ValueEnum};
use reason::{ProblemOptions, ReasonConfig};
use vision::{DigitsConfig, Images};

/// What options are that are not given: an answer in some minutes.
pub const DEFAULTS: [(&str, &str); 6] = [
    ("data", "data/shakespeare.txt"),
    ("out", "runs/compare"),
    ("layers", "12"),
    ("width", "32"),
    ("heads", "2"),
    ("seq", "32"),
];

/// Compares recipes for growing a model with training it from scratch: loss, FLOPs and time.
#[derive(Parser, Debug)]
#[command(name = "compare", version, args_override_self = true)]
pub struct Options {
    /// What is trained
    #[arg(long, value_enum, default_value_t)]
    pub task: Kind,
    #[command(flatten)]
    pub text: TextOptions,
    #[command(flatten)]
    pub problem: ProblemOptions,
    /// Recipes to compare with training from scratch, separated by commas: names of published ones, of which gpt --help has
    /// the list, and TOML or JSON files with plans of your own, in which all that ends (stages, say) ends at fractions
    #[arg(long, value_delimiter = ',', value_parser = recipe)]
    pub recipes: Vec<String>,
    /// Layers of shallower models to train from scratch as well, for as many FLOPs: does the full depth pay? If neither these nor
    /// recipes are given, a quarter of the layers, with --full a half as well
    #[arg(long, value_name = "LAYERS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub depths: Vec<u32>,
    /// Optimizers, each with all recipes
    #[arg(long, value_enum, value_delimiter = ',', default_value = "adamw")]
    pub optimizers: Vec<Optimizer>,
    /// Grid of peak learning rates; the best is taken for each recipe
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "0.003,0.01", value_parser = positive_up_to_one)]
    pub lrs: Vec<f64>,
    /// Seeds of weights, data and depths
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub seeds: Vec<u64>,
    /// Optimizer steps of the longest training from scratch
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(10..=1_000_000_000))]
    pub steps: u64,
    /// Lengths of the trainings, as shares of the FLOPs of the longest from scratch
    #[arg(long, value_delimiter = ',', default_value = "0.5,1", value_parser = share)]
    pub shares: Vec<f64>,
    /// Length that learning rates are compared at
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub tuning_share: f64,
    /// Warm-up of all trainings in optimizer steps; if not given, each recipe's own share of the training
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub warm_up: Option<u64>,
    /// Also train each recipe with an early growth, to measure how soon a grown model catches up
    #[arg(long)]
    pub pilot: bool,
    /// Windows or images in a step
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// Greatest norm of a step's gradients
    #[arg(long, value_name = "NORM", default_value_t = 1.0, value_parser = norm)]
    pub clip: f64,
    /// Trainings side by side; as many as there are cores if not given
    #[arg(long)]
    pub workers: Option<usize>,
    /// Folder for compare.json, the report and the runs
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where to compute: see gpt --help
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Make the report of the study in this folder anew, from its compare.json alone, and train nothing
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// A study of hours in place of minutes: more recipes, AdamW and Muon, four rates, three seeds, four lengths, some 20 tokens
    /// for each parameter, a fixed warm-up, a pilot; all of them can be set otherwise
    #[arg(long)]
    pub full: bool,
    /// Show what each recipe would cost, stage by stage, and train nothing
    #[arg(long, id = "show_plan")]
    pub plan: bool,
    /// With --plan: FLOPs to spend; shows how many steps they buy, and when to grow
    #[arg(long, value_name = "FLOPS", requires = "show_plan", value_parser = above_zero)]
    pub budget: Option<f64>,
    /// With --budget: steps that a grown model takes to catch up, in place of what a pilot in --out has measured
    #[arg(long, value_name = "STEPS", requires = "budget")]
    pub t_mix: Option<u64>,
}

/// What `--full` asks for.
const FULL: [(&str, &str); 6] = [
    ("optimizers", "adamw,muon"),
    ("lrs", "0.0025,0.005,0.01,0.02"),
    ("seeds", "1,2,3"),
    ("shares", "0.35,0.5,0.7,1"),
    ("steps", "6300"),
    ("out", "runs/compare-full"),
];

/// What the study of a problem begins with.
const OF_PROBLEMS: [(&str, &str); 5] = [
    ("layers", "6"),
    ("width", "64"),
    ("heads", "4"),
    ("batch", "32"),
    ("lrs", "0.001,0.002,0.004"),
];

/// The defaults that other options change.
pub fn derived(matches: &ArgMatches) -> Result<Defaults, Failure> {
    // A line that cannot be read to its end has no value for it.
    let full = matches.get_one::<bool>("full").copied().unwrap_or(false);
    let recipes = match (matches.get_one("task"), full) {
        (Some(Kind::Bert), false) => "apollo,gradual",
        (Some(Kind::Bert), true) => "apollo_wsd,stackbert,g_stack,midas,gradual",
        (_, false) => "apollo,quarter_in_decay",
        (_, true) => {
            "apollo_wsd,g_stack,gradual,quarter_zeroed,quarter_in_decay,half_zeroed,two_hops_zeroed"
        }
    };
    let of_task: &[(&'static str, &str)] = match matches.get_one("task") {
        Some(Kind::Vision) => &[("data", vision::DATA), ("batch", "64")],
        Some(Kind::Reason) => &OF_PROBLEMS,
        _ => &[],
    };
    let all = FULL.into_iter().filter(|_| full).chain([("recipes", recipes)]);
    let all = all.chain(of_task.iter().copied());
    let mut all: Defaults = all.map(|(option, value)| (option, value.to_owned())).collect();
    if !matches.contains_id("recipes") {
        let of_task = of_task.iter().find(|(option, _)| *option == "layers");
        let layers = match of_task.filter(|_| !is_given(matches, "layers")) {
            Some((_, layers)) => layers.parse().unwrap_or(0),
            None => matches.get_one::<u32>("layers").copied().unwrap_or(0),
        };
        let parts = [4, 2].into_iter().take(if full { 2 } else { 1 });
        let mut depths: Vec<u32> = parts.map(|part| layers.div_ceil(part)).collect();
        depths.retain(|depth| (1..layers).contains(depth));
        depths.dedup();
        if !depths.is_empty() {
            let depths: Vec<String> = depths.iter().map(u32::to_string).collect();
            all.push(("depths", depths.join(",")));
        }
    }
    Ok(all)
}

/// Whether an option is on the command line.
fn is_given(matches: &ArgMatches, option: &str) -> bool {
    matches.value_source(option) == Some(ValueSource::CommandLine)
}

/// What is trained.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// A GPT on the next byte or sub-word
    #[default]
    Gpt,
    /// A BERT on masked ones
    Bert,
    /// A vision transformer on handwritten digits
    Vision,
    /// A decoder on a problem that needs depth
    Reason,
}

impl Options {
    /// What all cells share of a text.
    pub fn text(&self) -> Result<RunConfig<TextConfig>, Failure> {
        let (mut task, _) = self.text.task()?;
        task.data = self.file();
        Ok(self.base(task))
    }

    /// What all cells share of images.
    ///
    /// # Errors
    ///
    /// Images that cannot be read, options that images have no use for.
    pub fn images(&self) -> Result<RunConfig<DigitsConfig>, Failure> {
        let &TextOptions { layers, width, heads, dropout, .. } = &self.text;
        Shape::check(width, heads)?;
        Ok(self.base(DigitsConfig {
            data: self.file(),
            data_checksum: Images::read(&self.text.data)?.checksum(),
            layers: layers as usize,
            width: width as usize,
            heads: heads as usize,
            patch: 4,
            shift: 1,
            dropout,
        }))
    }

    /// What all cells share of a problem.
    ///
    /// # Errors
    ///
    /// Sizes that do not fit each other, options that the problem has no use for.
    pub fn problem(&self) -> Result<RunConfig<ReasonConfig>, Failure> {
        let &TextOptions { layers, width, heads, dropout, init_std, .. } = &self.text;
        if init_std.is_some() || dropout > 0.0 {
            let option = if init_std.is_some() { "--init-std" } else { "--dropout" };
            return Err(usage(format!("{option}: a problem is learned without it")));
        }
        let mut base = self.base(self.problem.config(layers, width, heads)?);
        base.optimizer.beta2 = reason::BETA2;
        Ok(base)
    }

    /// The same data at another place is the same study.
    fn file(&self) -> PathBuf {
        self.text.data.file_name().map(PathBuf::from).unwrap_or_default()
    }

    fn base<C>(&self, task: C) -> RunConfig<C> {
        let config = RunConfig::new(task, Plan::new(self.steps));
        let optimizer = OptimConfig {
            clip: Some(self.clip).filter(|clip| clip.is_finite()),
            ..OptimConfig::default()
        };
        RunConfig { batch: self.batch as usize, optimizer, ..config }
    }

    /// What is compared.
    ///
    /// # Errors
    ///
    /// A recipe that needs layers that begin as the identity, with a task that has none.
    pub fn study(&self) -> Result<StudyConfig, Failure> {
        let is_zeroed = |name: &&String| Recipe::by_name(name).is_ok_and(Recipe::is_zeroed);
        let zeroed = self.recipes.iter().find(is_zeroed);
        if let (Kind::Bert, Some(name)) = (self.task, zeroed) {
            return Err(usage(format!(
                "--recipes {name}: BERT's layers normalize their output, so none begins as the identity"
            )));
        }
        let (mut names, mut plans) = (Vec::new(), BTreeMap::new());
        for recipe in &self.recipes {
            let name = match is_file(recipe) {
                false => recipe.clone(),
                true => {
                    let (name, plan) = own(Path::new(recipe))?;
                    if plans.insert(name.clone(), plan).is_some() {
                        return Err(usage(format!("--recipes: two files are named {name}")));
                    }
                    name
                }
            };
            names.push(name);
        }
        let config = StudyConfig { plans, ..StudyConfig::new(names, self.steps) };
        let output_projections = match self.task {
            Kind::Gpt => gpt::OUTPUT_PROJECTIONS.map(str::to_owned).to_vec(),
            Kind::Bert => Vec::new(),
            Kind::Vision | Kind::Reason => {
                transformer::OUTPUT_PROJECTIONS.map(str::to_owned).to_vec()
            }
        };
        let layers = self.text.layers;
        if let Some(depth) = self.depths.iter().find(|depth| **depth >= layers) {
            return Err(usage(format!("--depths {depth}: must be below the {layers} of --layers")));
        }
        Ok(StudyConfig {
            depths: self.depths.iter().map(|depth| *depth as usize).collect(),
            optimizers: self.optimizers.iter().map(|optimizer| (*optimizer).into()).collect(),
            learning_rates: self.lrs.clone(),
            seeds: self.seeds.clone(),
            shares: self.shares.clone(),
            tuning_share: self.tuning_share,
            output_projections,
            // 2 % of the longest training from scratch, as the recipes have it.
            warm_up: self.warm_up.or(self.full.then_some((self.steps / 50).max(1))),
            pilot: self.pilot || self.full,
            clock: if self.device == "flex" { Clock::Processor } else { Clock::Wall },
            workers: self.workers.unwrap_or(config.workers),
            ..config
        })
    }
}

/// A plan of one's own, under the name of its file.
fn own(file: &Path) -> Result<(String, Plan), Failure> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, read("--recipes", file)?))
}

fn is_file(recipe: &str) -> bool {
    recipe.ends_with(".toml") || recipe.ends_with(".json")
}

fn recipe(name: &str) -> Result<String, String> {
    if is_file(name) {
        return Ok(name.to_owned());
    }
    match Recipe::by_name(name) {
        Ok(recipe) => Ok(recipe.name().to_owned()),
        Err(unknown) => Err(unknown.to_string()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x <= 1.0 => Ok(x),
        _ => Err("must be a number above 0 and at most 1".to_owned()),
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("must be a number above 0".to_owned()),
    }
}
