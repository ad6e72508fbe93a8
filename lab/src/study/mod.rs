//! Studies: recipes compared on a task, fairly, with the cost of each.
//!
//! A [`Study`] trains a task by several recipes, each at several lengths and seeds with its own best learning rate, and
//! says how many operations a recipe needs to reach the loss of training from scratch. Every training is a cell with a run
//! folder of its own and a process of its own, one thread each; cells run side by side, stop and go on as runs do, and are
//! never trained again once they are finished. `compare.json` holds what was found, and all else is made from it.
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

mod cells;
mod compare;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;

use cells::{CELL, COMPARE, Cell, Setup, Shape, StudyResults, end_with_parent, lock, train_all};
pub use cells::{CellKind, Clock, StudyConfig};
pub use compare::{Comparison, Entry, Goal, Length, LongestRun, Mixing, Saving, Spread, StepTime};

use crate::config::{OptimizerKind, Options, RunConfig};
use crate::error::{LabError, Result};
use crate::folder::Existing;
use crate::observer::StudyObserver;
use crate::run::{End, Training};
use crate::task::{Task, items_per_step, targets};
use crate::terminal::{Signal, Signals};

/// The folder of the cells' runs.
const CELLS: &str = "cells";

/// What gives the cells of a phase.
type PhaseCells<S> = fn(&S, &StudyResults) -> Result<Vec<Cell>>;

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
    observer: Box<dyn StudyObserver>,
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
        let (folder, observer) = (folder.into(), Box::new(()));
        Self { folder, config, base, make, set_depth: None, device, observer }
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

    /// Shows `observer` the study's moments, such as [`StudyProgress`](crate::StudyProgress).
    pub fn observer(self, observer: impl StudyObserver + 'static) -> Self {
        Self { observer: Box::new(observer), ..self }
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
    pub fn run(mut self) -> Result<Outcome> {
        self.config.check()?;
        self.base.check()?;
        self.base.check_task()?;
        let setup = self.setup()?;
        if let Ok(cell) = std::env::var(CELL) {
            return self.train(&cell, &setup).map(Outcome::Cell);
        }
        let _lock = lock(&self.folder)?;
        let mut found = StudyResults::open(&self.folder, self.identity(), setup)?;
        found.write()?;
        let signals = Signals::catch()?;
        // All lengths and seeds have the best of the learning rates, which are found before.
        let phases: [(&str, PhaseCells<Self>); 2] =
            [("1 of 2, learning rates", Self::rates), ("2 of 2, lengths and seeds", Self::lengths)];
        for (phase, cells) in phases {
            let mut cells = cells(&self, &found)?;
            cells.retain(|cell| !found.has(cell));
            let (runs, workers) = (self.folder.join(CELLS), self.config.workers);
            train_all(phase, cells, workers, signals, &mut *self.observer, |cell, failure| {
                found.add(cell, &runs.join(&cell.name), failure)
            })?;
            if let Some(signal) = signals.caught() {
                return Ok(Outcome::Signal(signal));
            }
        }
        let comparison = Comparison::of(&found);
        comparison.write_report(&self.folder)?;
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
        let found = StudyResults::open(&self.folder, self.identity(), self.setup()?)?;
        Ok(Some(Comparison::of(&found)))
    }

    /// What is trained, with each optimizer.
    fn tuned(&self) -> impl Iterator<Item = (OptimizerKind, CellKind)> {
        let kinds = self.config.kinds();
        let optimizers = self.config.optimizers.clone().into_iter();
        optimizers
            .flat_map(move |optimizer| kinds.clone().into_iter().map(move |of| (optimizer, of)))
    }

    /// The grid of learning rates.
    fn rates(&self, found: &StudyResults) -> Result<Vec<Cell>> {
        let StudyConfig { learning_rates, tuning_share, seeds, .. } = &self.config;
        let cells = self.tuned().flat_map(|(optimizer, kind)| {
            learning_rates.iter().map(move |lr| {
                Cell::new(&found.setup, kind.clone(), optimizer, *lr, *tuning_share, seeds[0])
            })
        });
        cells.collect()
    }

    /// All lengths and seeds at the best rate that was found, and the pilots.
    fn lengths(&self, found: &StudyResults) -> Result<Vec<Cell>> {
        let StudyConfig { tuning_share, seeds, shares, pilot, .. } = &self.config;
        let mut cells = Vec::new();
        for (optimizer, kind) in self.tuned() {
            let Some(lr) = found.best_rate(&self.config, &kind, optimizer) else { continue };
            let of = |kind: &CellKind, share: f64, seed: u64| {
                Cell::new(&found.setup, kind.clone(), optimizer, lr, share, seed)
            };
            for (seed, share) in seeds.iter().flat_map(|s| shares.iter().map(move |x| (*s, *x))) {
                cells.push(of(&kind, share, seed)?);
            }
            if let (CellKind::Recipe(name), true) = (kind, *pilot) {
                cells.push(of(&CellKind::Pilot(name), *tuning_share, seeds[0])?);
            }
        }
        Ok(cells)
    }

    /// Trains the cell that this process is for.
    fn train(&self, cell: &str, setup: &Setup) -> Result<End> {
        let asked: Cell =
            serde_json::from_str(cell).map_err(|e| LabError::usage(format!("{CELL}: {e}")))?;
        let cell = asked.planned(setup)?;
        if cell.plan != asked.plan {
            let kind = cell.kind;
            let why = format!("the plan of {kind} is another than at the study's begin");
            return Err(LabError::usage(why));
        }
        end_with_parent();
        let depth = if let CellKind::Depth(depth) = cell.kind { Some(depth) } else { None };
        let mut config = self.base_of(depth)?;
        (config.lr, config.optimizer.kind, config.plan) = (cell.lr, cell.optimizer, cell.plan);
        let task = (self.make)(&config)?;
        let folder = self.folder.join(CELLS).join(&cell.name);
        let mut options = Options::new(folder, self.device.clone());
        options.existing = Existing::Resume;
        options.checkpoint_every = cell.every;
        Training::new(task, config).run(&options)
    }

    /// What the study is asked for, with what of the model and the task the cells depend on.
    fn setup(&self) -> Result<Setup> {
        let task = self.task(None)?;
        let shape = self.shape(&task)?;
        let layers = |shape: &Shape| shape.targets.iter().sum::<usize>();
        let shallower = self.config.depths.iter().map(|depth| {
            let shallower = self.shape(&self.task(Some(*depth))?)?;
            let found = layers(&shallower);
            if found < layers(&shape) {
                return Ok((*depth, shallower));
            }
            let value = format!("{depth}, which makes a model of {found} layers");
            let right = "fewer layers than the full model's, as `Study::with_depths` sets them";
            Err(LabError::setting("depths", value, right))
        });
        let shallower = shallower.collect::<Result<_>>()?;
        // How the cells are trained is no part of what was asked.
        let config = StudyConfig { workers: 1, ..self.config.clone() };
        for recipe in &config.recipes {
            config.plan(&CellKind::from(recipe.clone()), config.steps, &shape.targets)?;
        }
        Ok(Setup { config, shape, shallower, items: T::ITEMS.to_owned(), unit: task.unit() })
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
            let set = self.set_depth.ok_or_else(|| {
                let right =
                    "empty, where `Study::with_depths` does not say how a model gets so many layers";
                LabError::setting("depths", format!("{:?}", self.config.depths), right)
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

/// How a study ended.
#[derive(Debug)]
pub enum Outcome {
    /// All cells are finished or failed.
    Finished(Box<Comparison>),
    /// A signal came; the same command goes on.
    Signal(Signal),
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
