//! Studies: recipes compared on a task, fairly, with the cost of each.
//!
//! A [`Study`] trains a task by several recipes, each at several lengths and seeds with its own best learning rate, and
//! says how many operations a recipe needs to reach the loss of training from scratch. Every training is a cell with a run
//! folder of its own and a process of its own, one thread each; cells run side by side, stop and go on as runs do, and are
//! never trained again once they are finished. `compare.json` holds what was found, and all else is made from it.
//!
//! Cells of a seed, an optimizer and a rate whose plans begin alike train their beginning once and branch from its checkpoint,
//! with the same bits as alone: two recipes that differ from a growth on, say. Lengths of one recipe begin alike where
//! the warm-up takes as many steps in each ([`StudyConfig::warm_up`]) and the rate then stays at its peak.
//!
//! A recipe is a published one by its name, or a plan of one's own ([`StudyConfig::with_plan`]). Beside the recipes, which all
//! end with the full model, models of fewer layers may be trained for as many operations ([`StudyConfig::depths`]): whether
//! growth saves something and whether the depth pays are two questions.
//!
//! # How it is fair
//!
//! - The learning rate of every recipe, and of training from scratch, is the best of the same grid.
//! - Every length has a schedule of its own that ends with it: no loss is read off a curve that was cut short.
//! - Lengths are shares of the operations of the longest training from scratch, so recipes are compared at equal cost.
//! - Data, their order and the first weights follow from the seed and are the same for all recipes; differences are taken
//!   seed by seed.
//! - Losses are those of the full model on data that it was not trained on.

mod advice;
mod asked;
mod cell;
mod comparison;
mod config;
mod fair;
mod found;
mod html;
mod ladder;
mod look;
mod measures;
mod pictures;
mod pilot;
mod report;
mod sharing;
mod step_time;
mod words;
mod workers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;

use asked::{Asked, Shape};
pub use cell::Cell;
pub use comparison::{Comparison, Entry, Goal, Length, Saving, Spread};
pub use config::{Clock, StudyConfig};
use found::Found;
pub use pilot::{LongestRun, Mixing};
use sharing::{Job, Queue};
pub use step_time::StepTime;

use crate::config::RunConfig;
use crate::end::End;
use crate::error::{LabError, Result};
use crate::options::Options;
use crate::results::SUMMARY;
use crate::step::{items_per_step, targets};
use crate::task::Task;
use crate::training::Training;
use crate::{Existing, Prefix, Signals};

/// The variable that tells a process which cell to train, and how it begins.
const CELL: &str = "BURN_APOLLO_CELL";
/// The folder of the cells' runs.
const CELLS: &str = "cells";
/// The recipe that the others are compared with.
const SCRATCH: &str = "scratch";
/// All that was found.
const COMPARE: &str = "compare.json";

/// A comparison of recipes on a task.
///
/// A program with a study does nothing before [`run`](Self::run) that it should not do twice: the study starts the program
/// again, with the same arguments, for every cell. `examples/compare/examples/study.rs` of the repository is such a program, with a
/// task of its own.
pub struct Study<C, F> {
    folder: PathBuf,
    config: StudyConfig,
    /// What every cell shares: the task's own part, batch, accumulation.
    base: RunConfig<C>,
    make: F,
    /// Gives a task's part of the configuration another number of layers.
    set_depth: Option<fn(&mut C, usize)>,
    device: Device,
}

impl<T, C, F> Study<C, F>
where
    T: Task,
    C: Clone + PartialEq + Serialize + DeserializeOwned,
    F: Fn(&RunConfig<C>) -> Result<T>,
{
    /// A study in `folder`, of the task that `make` makes of a cell's configuration; `base` has all of it that cells share.
    pub fn new(
        folder: impl Into<PathBuf>,
        config: StudyConfig,
        base: RunConfig<C>,
        device: Device,
        make: F,
    ) -> Self {
        Self { folder: folder.into(), config, base, make, set_depth: None, device }
    }

    /// Says by `set` how a model gets as many layers as one of [`StudyConfig::depths`]: it changes the task's part of the
    /// configuration, of which `make` then makes the shallower task.
    ///
    /// ```
    /// use burn_apollo_lab::study::{Study, StudyConfig};
    /// # use burn_apollo_lab::{Result, RunConfig, Task};
    ///
    /// #[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    /// struct Config {
    ///     layers: usize,
    /// }
    ///
    /// # fn study<T: Task>(task: fn(&Config) -> Result<T>) -> Result<()> {
    /// let mut study = StudyConfig::new(["gradual"], 2000);
    /// study.depths = vec![3, 6];
    /// let base = RunConfig::new(Config { layers: 12 }, burn_apollo::Plan::new(2000));
    /// let make = |config: &RunConfig<Config>| task(&config.task);
    /// let study = Study::new("runs/study", study, base, burn::tensor::Device::flex(), make)
    ///     .with_depths(|config, layers| config.layers = layers);
    /// study.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_depths(self, set: fn(&mut C, usize)) -> Self {
        Self { set_depth: Some(set), ..self }
    }

    /// The task of the full model, or of a shallower one with so many layers: what [`forecast`](crate::forecast) asks for.
    ///
    /// # Errors
    ///
    /// A task that cannot be made; a shallower one without [`with_depths`](Self::with_depths).
    pub fn task(&self, depth: Option<usize>) -> Result<T> {
        (self.make)(&self.base_of(depth)?)
    }

    /// Trains all cells that are missing and writes what they come to; or trains the one cell that this process is for.
    ///
    /// # Errors
    ///
    /// A configuration that no study can have, another study in the folder, files that cannot be written. Cells that fail
    /// are no error: [`Comparison::failed`] has them.
    pub fn run(&self) -> Result<Outcome> {
        self.config.check()?;
        self.base.check()?;
        self.base.check_task()?;
        let asked = self.asked()?;
        if let Ok(job) = std::env::var(CELL) {
            return self.train(&job, &asked).map(Outcome::Cell);
        }
        let _lock = found::lock(&self.folder)?;
        let mut found = self.found(asked.clone())?;
        found.write()?;
        let signals = Signals::catch()?;
        for phase in [Phase::Rates, Phase::Lengths] {
            let cells = self.cells(phase, &found, &asked)?;
            let missing: Vec<Cell> =
                cells.into_iter().filter(|cell| !found.has(&cell.name)).collect();
            let queue = self.queue(phase, missing.clone(), &found, &asked)?;
            let (name, count) = (phase.name(), self.config.workers);
            workers::run(name, &missing, queue, count, signals, |cell, failure| match failure {
                Some(why) => found.fail(cell, why),
                None => found.add(cell, &self.runs().join(&cell.name)),
            })?;
            if let Some(signal) = signals.caught() {
                return Ok(Outcome::Signal(signal));
            }
        }
        let comparison = Comparison::of(&found)?;
        comparison.write_report(&self.folder)?;
        if comparison.failed.is_empty() {
            sharing::clean(&self.runs());
        }
        Ok(Outcome::Finished(Box::new(comparison)))
    }

    /// What was found so far, of which nothing is trained or written; none where nothing was.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn so_far(&self) -> Result<Option<Comparison>> {
        if !self.folder.join(COMPARE).exists() {
            return Ok(None);
        }
        let found = self.found(self.asked()?)?;
        Comparison::of(&found).map(Some)
    }

    fn found(&self, asked: Asked) -> Result<Found> {
        let mut found = Found::open(&self.folder, &self.identity(), asked)?;
        found.complete(&self.runs());
        Ok(found)
    }

    /// The cells of a phase, of which the second depends on what the first found.
    fn cells(&self, phase: Phase, found: &Found, asked: &Asked) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for optimizer in &self.config.optimizers {
            for recipe in &self.config.names() {
                let of = |lr: f64, share: f64, seed: u64| {
                    Cell::new(asked, recipe, *optimizer, lr, share, seed)
                };
                let (share, seed) = (self.config.tuning_share, self.config.seeds[0]);
                let rates = self.config.learning_rates.iter().map(|lr| of(*lr, share, seed));
                match phase {
                    Phase::Rates => cells.extend(rates.collect::<Result<Vec<_>>>()?),
                    Phase::Lengths => {
                        let best = found.best_rate(&self.config, recipe, *optimizer);
                        let Some(lr) = best else { continue };
                        for seed in &self.config.seeds {
                            let lengths = self.config.shares.iter();
                            let lengths = lengths.map(|share| of(lr, *share, *seed));
                            cells.extend(lengths.collect::<Result<Vec<_>>>()?);
                        }
                        let grows = recipe != SCRATCH && self.config.depth_of(recipe).is_none();
                        if self.config.pilot && grows {
                            let name = format!("{recipe}{}", pilot::PILOT);
                            cells.push(Cell::new(asked, &name, *optimizer, lr, share, seed)?);
                        }
                    }
                }
            }
        }
        Ok(cells)
    }

    /// The missing cells of a phase, with what they may share.
    fn queue(
        &self,
        phase: Phase,
        missing: Vec<Cell>,
        found: &Found,
        asked: &Asked,
    ) -> Result<Queue> {
        let mut all = match self.config.share_beginnings {
            true => self.cells(phase, found, asked)?,
            false => Vec::new(),
        };
        if phase == Phase::Rates && self.config.share_beginnings {
            // Whichever rate is the best, its lengths begin as the training that found it.
            for cell in &missing {
                let lengths = self.config.shares.iter().map(|share| {
                    let Cell { recipe, optimizer, lr, seed, .. } = cell;
                    Cell::new(asked, recipe, *optimizer, *lr, *share, *seed)
                });
                all.extend(lengths.collect::<Result<Vec<_>>>()?);
            }
        }
        let mut names = BTreeSet::new();
        all.retain(|cell| names.insert(cell.name.clone()));
        let all: Vec<(Cell, bool)> = all
            .into_iter()
            .map(|cell| {
                let missing = !found.has(&cell.name);
                (cell, missing)
            })
            .collect();
        Ok(Queue::new(self.runs(), missing, &all, asked))
    }

    /// Trains the cell of a job.
    fn train(&self, job: &str, asked: &Asked) -> Result<End> {
        let wrong = |why: String| LabError::usage(format!("{CELL}: {why}"));
        let Job { cell, keep_at, prefix } =
            serde_json::from_str(job).map_err(|e| wrong(e.to_string()))?;
        let own = Cell::by_name(&cell.name, asked)
            .ok_or_else(|| wrong(format!("{:?} is no cell of this study", cell.name)))?;
        if own.plan != cell.plan {
            let recipe = cell.recipe;
            return Err(LabError::usage(format!(
                "the plan of {recipe} is another than at the study's begin"
            )));
        }
        let cell = own;
        workers::end_with_parent();
        let mut config = self.base_of(self.config.depth_of(&cell.recipe))?;
        (config.lr, config.optimizer.kind) = (cell.lr, cell.optimizer);
        config.plan = cell.plan.clone();
        let task = (self.make)(&config)?;
        let mut options = Options::new(self.runs().join(&cell.name), self.device.clone());
        options.existing = Existing::Resume;
        options.quiet = true;
        options.checkpoint_every = cell.every;
        options.keep_at = keep_at;
        options.prefix =
            prefix.map(|(other, steps)| Prefix { folder: self.runs().join(other), steps });
        Training::new(task, config).run(&options)
    }

    /// The folder of the cells' runs.
    fn runs(&self) -> PathBuf {
        self.folder.join(CELLS)
    }

    /// What the study is asked for, with what of the model and the task the cells depend on.
    fn asked(&self) -> Result<Asked> {
        let task = self.task(None)?;
        let shape = self.shape(&task)?;
        let shallower = self.config.depths.iter().map(|depth| {
            let shallower = self.shape(&self.task(Some(*depth))?)?;
            let layers = |shape: &Shape| shape.targets.iter().sum::<usize>();
            match layers(&shallower) < layers(&shape) {
                true => Ok((*depth, shallower)),
                false => {
                    let found = layers(&shallower);
                    let value = format!("{depth}, which makes a model of {found} layers");
                    let right =
                        "fewer layers than the full model's, as `Study::with_depths` sets them";
                    Err(LabError::Setting { field: "depths", value, right })
                }
            }
        });
        let shallower = shallower.collect::<Result<_>>()?;
        // How the cells are trained is no part of what was asked.
        let config = StudyConfig { workers: 1, share_beginnings: true, ..self.config.clone() };
        for recipe in &config.recipes {
            config.plan(recipe, config.steps, &shape.targets)?;
        }
        Ok(Asked { config, shape, shallower, items: T::ITEMS.to_owned(), unit: task.unit() })
    }

    fn shape(&self, task: &T) -> Result<Shape> {
        let model = task.model(&self.device)?;
        let items = items_per_step(task, self.base.accumulate, &self.device)?;
        Ok(Shape { targets: targets(&model), cost: task.cost(&model), items })
    }

    /// What cells of the full model share, or those of a shallower one.
    fn base_of(&self, depth: Option<usize>) -> Result<RunConfig<C>> {
        let mut base = self.base.clone();
        if let Some(depth) = depth {
            let set = self.set_depth.ok_or_else(|| LabError::Setting {
                field: "depths",
                value: format!("{:?}", self.config.depths),
                right: "empty, where `Study::with_depths` does not say how a model gets so many layers",
            })?;
            set(&mut base.task, depth);
        }
        Ok(base)
    }

    /// What makes a study the same when it goes on: another task or batch is another study; more recipes, seeds or lengths
    /// are not.
    fn identity(&self) -> serde_json::Value {
        let mut identity = serde_json::json!({
            "task": self.base.task,
            "batch": self.base.batch,
            "accumulate": self.base.accumulate,
            "optimizer": self.base.optimizer,
            "steps": self.config.steps,
        });
        if let Some(steps) = self.config.warm_up {
            identity["warm_up"] = steps.into();
        }
        identity
    }
}

/// Which cells are trained: first the grid of learning rates, then all lengths and seeds at the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Rates,
    Lengths,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Rates => "1 of 2, learning rates",
            Self::Lengths => "2 of 2, lengths and seeds",
        }
    }
}

/// How a study ended.
#[derive(Debug)]
pub enum Outcome {
    /// All cells are finished or failed.
    Finished(Box<Comparison>),
    /// A signal came; the same command goes on.
    Signal(crate::Signal),
    /// This process was for one cell.
    Cell(End),
}

impl Outcome {
    /// The exit code of a program that ends with the study: 1 where a cell failed.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Finished(comparison) if comparison.failed.is_empty() => ExitCode::SUCCESS,
            Self::Finished(_) => ExitCode::FAILURE,
            Self::Signal(signal) => ExitCode::from(signal.exit_code),
            Self::Cell(End::Finished) => ExitCode::SUCCESS,
            Self::Cell(_) => ExitCode::FAILURE,
        }
    }
}

/// Whether a cell's folder holds a finished run.
fn is_finished(folder: &Path) -> bool {
    folder.join(SUMMARY).exists()
}
