//! The training loop of the examples, written by hand: every step in a table, a checkpoint every so many steps, and
//! a resume that goes on as if nothing had happened.

use std::fmt::Display;

use burn::module::Module;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet, Snapshot};
use burn_apollo::schedule::{LossFeed, LossPoint};
use burn_apollo::stack::Growable;
use burn_apollo::{Apollo, ApolloError, InferenceDepth};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fault;
use super::progress::Progress;
use super::rate::scheduler;
use super::results::{
    Growth, MODEL, RESULTS, Row, STEPS, SUMMARY, Summary, VALIDATION, ValidationRow,
};
use super::run_dir::RunDir;
use super::run_options::{OnNotFinite, RunConfig, RunOptions};
use super::signal::Signals;
use super::table::Table;
use super::task::{Score, Task};
use super::{Failure, device, run_error, usage};

/// What the loop itself counts: its part of a checkpoint.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoopState {
    /// Steps whose data was left out after roll-backs: step `s` takes the micro-batches of step `s + skipped`.
    skipped: u64,
    /// Losses that were read, but not told to the growth policy yet.
    untold: Vec<LossPoint>,
}

/// Losses are read every so many steps: reading one makes the device wait.
const READ_EVERY: u64 = 10;
/// How often in a row a run may roll back before it gives up.
const ROLL_BACKS: u32 = 3;

/// Trains `task`, or goes on where the run in the output folder stands.
pub fn run<T: Task, C: Clone + Serialize + DeserializeOwned>(
    task: T,
    options: &RunOptions,
    config: RunConfig<C>,
    same_run: impl Fn(&RunConfig<C>) -> bool,
) -> Result<(), Failure> {
    let device = device::by_name(&options.device)?;
    let run = Run::new(task, config, device)?;
    let (dir, resumed) = RunDir::open(
        &options.out,
        &run.config,
        options.existing(),
        &same_run,
        options.retention(),
        &RESULTS,
    )?;
    let latest = match resumed {
        true => dir.checkpoints.latest_good().map_err(usage)?,
        false => None,
    };
    let Some(latest) = latest else { return run.train(options, &dir) };
    latest.stepped_over.iter().for_each(|damage| println!("stepped over: {damage}"));
    let saved = latest.set.state("config").map_err(usage)?;
    if !same_run(&saved) {
        let set = latest.set.path().display();
        return Err(usage(format!("--resume: {set} is of a run with other options")));
    }
    let run = run.restore(&latest.set).map_err(|e| usage(format!("--resume: {e}")))?;
    let step = run.apollo.step_count();
    if step == run.config.steps && dir.file(SUMMARY).exists() {
        println!("the run in {} is finished", options.out.display());
        return Ok(());
    }
    println!("resumed before step {step}");
    run.train(options, &dir)
}

struct Run<T: Task, C> {
    task: T,
    config: RunConfig<C>,
    device: Device,
    apollo: Apollo<T::Model>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    losses: LossFeed,
    state: LoopState,
    /// Steps whose loss is not read yet.
    waiting: Vec<(Row, Tensor<1>)>,
    /// The latest loss that was read.
    shown_loss: Option<f64>,
    roll_backs: u32,
    signals: Signals,
}

/// What a run writes while it goes.
struct Outputs<'a> {
    dir: &'a RunDir,
    steps: Table,
    validation: Table,
    progress: Progress,
}

impl<T: Task, C: Clone + Serialize> Run<T, C> {
    fn new(task: T, config: RunConfig<C>, device: Device) -> Result<Self, Failure> {
        let losses = LossFeed::default();
        let plan = config.plan.apollo(config.steps, config.seed, losses.clone())?;
        let plan =
            plan.with_not_finite(config.not_finite.into()).on_growth(|_| fault::pause("growth"));
        device.seed(config.seed);
        let model = task.model(&device.clone().autodiff())?;
        let apollo = Apollo::new(model, plan).map_err(usage)?;
        let signals = Signals::catch().map_err(run_error)?;
        let min_lr = config.optimizer.min_lr(config.lr);
        Ok(Self {
            scheduler: scheduler(config.lr, min_lr, config.steps)?,
            optim: config.optimizer.build(),
            task,
            config,
            device,
            apollo,
            losses,
            state: LoopState::default(),
            waiting: Vec::new(),
            shown_loss: None,
            roll_backs: 0,
            signals,
        })
    }

    /// Takes up the run where a checkpoint left it.
    fn restore(self, set: &CheckpointSet) -> Result<Self, CheckpointError> {
        let state = set.state("loop")?;
        let (apollo, optim, scheduler) = set.load(self.apollo, self.optim, self.scheduler)?;
        Ok(Self { apollo, optim, scheduler, state, waiting: Vec::new(), ..self })
    }

    fn outputs<'a>(&self, dir: &'a RunDir) -> Result<Outputs<'a>, Failure> {
        let first = self.apollo.step_count();
        let (steps, validation) = match first {
            0 => (Table::create(dir, STEPS)?, Table::create(dir, VALIDATION)?),
            _ => (
                Table::resume(dir, STEPS, |row| row < first, first)?,
                Table::resume(dir, VALIDATION, |row| row <= first, 0)?,
            ),
        };
        let depths = self.config.plan.expected_depths(self.config.steps, &self.task.targets())?;
        let progress = Progress::new(first, self.config.steps, depths, T::ITEMS);
        Ok(Outputs { dir, steps, validation, progress })
    }

    fn train(mut self, options: &RunOptions, dir: &RunDir) -> Result<(), Failure> {
        let mut outputs = self.outputs(dir)?;
        outputs.progress.line(&format!(
            "{} of {} layers, {} parameters",
            self.apollo.unique_layers(),
            self.task.targets().iter().sum::<usize>(),
            self.apollo.num_params()
        ));
        while self.apollo.step_count() < self.config.steps {
            self = self.step(&mut outputs.progress)?;
            if let Err(error) = self.apollo.growth() {
                let bad_step = matches!(&*error, ApolloError::NotFinite { .. })
                    .then_some(self.apollo.step_count());
                self = self.after_failure(&error, bad_step, &mut outputs)?;
                continue;
            }
            let done = self.apollo.step_count();
            let stop = options.stop_after == Some(done) && done < self.config.steps;
            let signal = self.signals.caught();
            let due = done.is_multiple_of(options.checkpoint_every) || done == self.config.steps;
            if due || stop || signal.is_some() {
                if let Some(error) = self.save(due, &mut outputs)? {
                    self = self.after_failure(&error, Some(done - 1), &mut outputs)?;
                    continue;
                }
            } else if done.is_multiple_of(READ_EVERY) {
                self.read_losses(&mut outputs.steps)?;
            }
            if let Some(signal) = signal.filter(|_| done < self.config.steps) {
                outputs.progress.finish();
                return Err(Failure::Signal(signal, done));
            }
            if stop {
                outputs.progress.finish();
                println!("stopped after step {done}; --resume goes on");
                return Ok(());
            }
        }
        outputs.progress.finish();
        self.finish(&outputs)
    }

    /// One optimizer step, over all of its micro-batches.
    fn step(mut self, progress: &mut Progress) -> Result<Self, Failure> {
        let (step, parts) = (self.apollo.step_count(), self.config.accumulate as u64);
        let lr = self.scheduler.step();
        let mut row = Row {
            step,
            stage: self.apollo.stage(),
            unique_layers: self.apollo.unique_layers(),
            virtual_depth: self.apollo.depth(),
            lr: lr.base() * self.apollo.lr_factor(),
            train_loss: f64::NAN,
            items: 0,
        };
        progress.step(&row, self.shown_loss);
        let (mut grads, mut losses) = (GradientsAccumulator::new(), Vec::new());
        for part in 0..parts {
            let number = (step + self.state.skipped) * parts + part;
            let batch = self.task.batch(number, &self.device.clone().autodiff())?;
            row.items += self.task.items(&batch);
            let model = self.apollo.micro_batch(part).map_err(run_error)?;
            let loss = self.task.loss(&model, batch).div_scalar(parts as f64);
            let loss = fault::poison(loss, number);
            losses.push(loss.clone().detach());
            grads.accumulate(&model, GradientsParams::from_grads(loss.backward(), &model));
            fault::pause(&format!("micro-batch {number}"));
        }
        progress.count(&row);
        self.apollo = self.apollo.optimize(&mut self.optim, lr, grads.grads());
        if let Ok(Some(growth)) = self.apollo.growth() {
            progress.line(&growth.to_string());
        }
        if let Some(reason) = self.apollo.skipped() {
            progress.line(&format!("skipped: {reason}"));
        }
        self.waiting.push((row, Tensor::cat(losses, 0).sum()));
        Ok(self)
    }

    /// What becomes of a run that failed: back to the last good checkpoint if numbers went bad in `bad_step`, or an end.
    fn after_failure(
        mut self,
        error: &dyn Display,
        bad_step: Option<u64>,
        outputs: &mut Outputs,
    ) -> Result<Self, Failure> {
        let latest = outputs.dir.checkpoints.latest_good().map_err(run_error)?;
        let kept = match &latest {
            Some(latest) => format!("the checkpoint of step {} is kept", latest.set.step()),
            None => "there is no checkpoint yet".to_owned(),
        };
        let end = |why: &str| Err(run_error(format!("{error}; {why}{kept}")));
        let roll_back = self.config.not_finite == OnNotFinite::RollBack;
        let Some(bad_step) = bad_step.filter(|_| roll_back) else { return end("") };
        let Some(latest) = latest else { return end("nothing to roll back to: ") };
        if self.roll_backs == ROLL_BACKS {
            return end(&format!("after {ROLL_BACKS} roll-backs without a new checkpoint, "));
        }
        let (roll_backs, skipped) = (self.roll_backs + 1, self.state.skipped);
        self = self.restore(&latest.set).map_err(run_error)?;
        self.roll_backs = roll_backs;
        // The data up to the bad step is left out, beside what was left out before.
        self.state.skipped = skipped + bad_step + 1 - self.apollo.step_count();
        outputs.progress.finish();
        *outputs = self.outputs(outputs.dir)?;
        outputs.progress.line(&format!(
            "{error}; rolled back to step {}, goes on with other data",
            self.apollo.step_count()
        ));
        Ok(self)
    }

    /// Reads the losses of the waiting steps and writes their rows.
    fn read_losses(&mut self, table: &mut Table) -> Result<(), Failure> {
        for (mut row, loss) in self.waiting.drain(..) {
            row.train_loss = loss.try_into_scalar::<f64>().map_err(run_error)?;
            self.shown_loss = Some(row.train_loss);
            self.state.untold.push(LossPoint { step: row.step, loss: row.train_loss });
            table.write(&row)?;
        }
        // The growth policy hears at the same steps whether or not the run was interrupted.
        if self.apollo.step_count().is_multiple_of(READ_EVERY) {
            self.state.untold.drain(..).for_each(|p| self.losses.record(p.step, p.loss));
        }
        Ok(())
    }

    /// Writes a checkpoint after the rows that belong to it, validated if it is due: one that a signal asks for has to
    /// be quick. Gives the error of numbers that are not finite.
    fn save(
        &mut self,
        due: bool,
        outputs: &mut Outputs,
    ) -> Result<Option<CheckpointError>, Failure> {
        let step = self.apollo.step_count();
        self.read_losses(&mut outputs.steps)?;
        outputs.steps.sync()?;
        let score = if due { Some(self.validate(outputs)?) } else { None };
        outputs.validation.sync()?;
        let save = || {
            let snapshot = Snapshot::new(&self.apollo, &self.optim, &self.scheduler)?
                .with_state("loop", &self.state)?
                .with_state("config", &self.config)?;
            let snapshot = match score {
                Some(score) => snapshot.with_metric(score.loss)?,
                None => snapshot,
            };
            outputs.dir.checkpoints.save(snapshot)
        };
        match save() {
            Ok(report) => {
                report.not_removed.iter().for_each(|e| outputs.progress.line(&e.to_string()));
                self.roll_backs = 0;
                Ok(None)
            }
            Err(error @ CheckpointError::NotFinite { .. }) => Ok(Some(error)),
            Err(error) => {
                Err(run_error(format!("the checkpoint of step {step} was not written: {error}")))
            }
        }
    }

    /// Validates at the unique layers and at full depth; gives the score at the unique layers.
    fn validate(&self, outputs: &mut Outputs) -> Result<Score, Failure> {
        let (mut shown, mut scores) = (Vec::new(), Vec::new());
        for inference in [InferenceDepth::Unique, InferenceDepth::Full] {
            let mut model = self.apollo.at_depth(inference).map_err(run_error)?;
            let depth = model.stacks().iter().map(|stack| stack.order().len()).sum();
            let score = self.task.validate(&model, &self.device)?;
            shown.push(format!("{:.4} at depth {depth}", score.loss));
            outputs.validation.write(&ValidationRow {
                step: self.apollo.step_count(),
                stage: self.apollo.stage(),
                unique_layers: self.apollo.unique_layers(),
                depth,
                val_loss: score.loss,
                val_accuracy: score.accuracy,
            })?;
            scores.push(score);
            if depth == self.task.targets().iter().sum::<usize>() {
                break;
            }
        }
        let step = self.apollo.step_count();
        outputs.progress.line(&format!("step {step}: validation loss {}", shown.join(", ")));
        Ok(scores[0])
    }

    fn finish(self, outputs: &Outputs) -> Result<(), Failure> {
        let layers = |stage: usize| self.apollo.layers_of_stage(stage).iter().sum();
        let growths = (0..).zip(self.apollo.growth_steps()).map(|(stage, step)| Growth {
            step: *step,
            from: layers(stage),
            to: layers(stage + 1),
        });
        let growths = growths.collect();
        let model = self.apollo.into_inner().map_err(run_error)?;
        for (name, content) in self.task.files() {
            outputs.dir.write(name, content).map_err(run_error)?;
        }
        let file = outputs.dir.file(MODEL);
        model
            .clone()
            .save_file(&file)
            .map_err(|e| run_error(format!("{}: {e}", file.display())))?;

        let model = model.valid();
        let score = self.task.validate(&model, &self.device)?;
        let measures = self.task.measures(&model, &self.device)?;
        let shown: String = measures
            .iter()
            .map(|(name, share)| format!(", {:.2} % {}", 100.0 * share, name.replace('_', " ")))
            .collect();
        let baseline = self.task.baseline(&self.device)?;
        let summary = Summary {
            config: &self.config,
            growths,
            val_loss: score.loss,
            val_accuracy: score.accuracy,
            measures,
            baseline,
            parameters: model.num_params(),
            items_per_second: outputs.progress.items_per_second(),
        };
        outputs.dir.write_json(SUMMARY, &summary)?;
        println!(
            "validation loss {:.4} {}, {:.2} % right{shown} ({}); {:.0} {} per second",
            score.loss,
            self.task.unit(),
            100.0 * score.accuracy,
            summary.baseline,
            summary.items_per_second,
            T::ITEMS
        );
        println!("written: {}", outputs.dir.path().display());
        println!("\n{}", self.task.show(&model, &self.device)?);
        Ok(())
    }
}
