//! The training loop of the examples, written by hand: every step in a table, a checkpoint every so many steps, and
//! a resume that goes on as if nothing had happened.

use std::fmt::Display;

use burn::module::Module;
use burn_apollo::checkpoint::{CheckpointError, Snapshot};
use burn_apollo::schedule::LossPoint;
use burn_apollo::{ApolloError, InferenceDepth};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::common::training::device;
use crate::common::training::plan::Plan;
use crate::common::training::progress::Progress;
use crate::common::training::results::{
    Growth, MODEL, RESULTS, STEPS, SUMMARY, Summary, VALIDATION, ValidationRow,
};
use crate::common::training::run::Run;
use crate::common::training::run_dir::RunDir;
use crate::common::training::run_options::{OnNotFinite, RunConfig, RunOptions};
use crate::common::training::signal::Signals;
use crate::common::training::table::Table;
use crate::common::training::task::{Score, Task};
use crate::common::{Failure, run_error, usage};

/// Losses are read every so many steps: reading one makes the device wait.
const READ_EVERY: u64 = 10;
/// How often in a row a run may roll back before it gives up.
const ROLL_BACKS: u32 = 3;

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Finished,
    /// As `--stop-after` asks.
    Stopped,
}

/// A step of a run.
pub type Step<T, C, P> = fn(Run<T, C, P>, &mut Progress) -> Result<Run<T, C, P>, Failure>;

/// Trains `task`, or goes on where the run in the output folder stands.
pub fn run<T: Task, C: Clone + Serialize + DeserializeOwned, P: Plan>(
    task: T,
    options: &RunOptions,
    config: RunConfig<C, P>,
    same_run: impl Fn(&RunConfig<C, P>) -> bool,
) -> Result<(), Failure> {
    run_with(task, options, config, same_run, Run::step).map(|_| ())
}

/// [`run`] with a step of one's own, which may be several optimizer steps.
pub fn run_with<T: Task, C: Clone + Serialize + DeserializeOwned, P: Plan>(
    task: T,
    options: &RunOptions,
    config: RunConfig<C, P>,
    same_run: impl Fn(&RunConfig<C, P>) -> bool,
    step: Step<T, C, P>,
) -> Result<End, Failure> {
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
    let Some(latest) = latest else { return Training::of(run, step)?.train(options, &dir) };
    latest.stepped_over.iter().for_each(|damage| println!("stepped over: {damage}"));
    let saved = latest.set.state("config").map_err(usage)?;
    if !same_run(&saved) {
        let set = latest.set.path().display();
        return Err(usage(format!("--resume: {set} is of a run with other options")));
    }
    let run = run.restore(&latest.set).map_err(|e| usage(format!("--resume: {e}")))?;
    let step_count = run.apollo.step_count();
    if step_count == run.config.steps && dir.file(SUMMARY).exists() {
        println!("the run in {} is finished", options.out.display());
        return Ok(End::Finished);
    }
    println!("resumed before step {step_count}");
    Training::of(run, step)?.train(options, &dir)
}

/// A run and what goes on around its steps.
struct Training<T: Task, C, P> {
    run: Run<T, C, P>,
    step: Step<T, C, P>,
    roll_backs: u32,
    signals: &'static Signals,
}

/// What a run writes while it goes.
struct Outputs<'a> {
    dir: &'a RunDir,
    steps: Table,
    validation: Table,
    progress: Progress,
}

impl<T: Task, C: Clone + Serialize, P: Plan> Training<T, C, P> {
    fn of(run: Run<T, C, P>, step: Step<T, C, P>) -> Result<Self, Failure> {
        let signals = Signals::catch().map_err(run_error)?;
        Ok(Self { run, step, roll_backs: 0, signals })
    }

    fn outputs<'a>(&self, dir: &'a RunDir) -> Result<Outputs<'a>, Failure> {
        let first = self.run.apollo.step_count();
        let (steps, validation) = match first {
            0 => (Table::create(dir, STEPS)?, Table::create(dir, VALIDATION)?),
            _ => (
                Table::resume(dir, STEPS, |row| row < first, first)?,
                Table::resume(dir, VALIDATION, |row| row <= first, 0)?,
            ),
        };
        let depths = self
            .run
            .config
            .plan
            .expected_depths(self.run.config.steps, &self.run.task.targets())?;
        let progress = Progress::new(first, self.run.config.steps, depths, T::ITEMS);
        Ok(Outputs { dir, steps, validation, progress })
    }

    fn train(mut self, options: &RunOptions, dir: &RunDir) -> Result<End, Failure> {
        let mut outputs = self.outputs(dir)?;
        outputs.progress.line(&format!(
            "{} of {} layers, {} parameters",
            self.run.apollo.unique_layers(),
            self.run.task.targets().iter().sum::<usize>(),
            self.run.apollo.num_params()
        ));
        while self.run.left() > 0 {
            let before = self.run.apollo.step_count();
            if options.stop_after.is_some_and(|step| step <= before) {
                outputs.progress.finish();
                println!("stopped after step {before}; --resume goes on");
                return Ok(End::Stopped);
            }
            self.run = (self.step)(self.run, &mut outputs.progress)?;
            if let Err(error) = self.run.apollo.growth() {
                let bad_step = matches!(&*error, ApolloError::NotFinite { .. })
                    .then_some(self.run.apollo.step_count());
                self = self.after_failure(&error, bad_step, &mut outputs)?;
                continue;
            }
            let done = self.run.apollo.step_count();
            // A step of one's own may be several.
            let passed = |every: u64| done / every > before / every;
            let stop = options.stop_after.is_some_and(|step| step <= done) && self.run.left() > 0;
            let signal = self.signals.caught();
            let due = passed(options.checkpoint_every) || done == self.run.config.steps;
            let told = passed(READ_EVERY);
            if due || stop || signal.is_some() {
                if let Some(error) = self.save(due, told, &mut outputs)? {
                    self = self.after_failure(&error, Some(done - 1), &mut outputs)?;
                    continue;
                }
            } else if told {
                self.read_losses(told, &mut outputs.steps)?;
            }
            if let Some(signal) = signal.filter(|_| done < self.run.config.steps) {
                outputs.progress.finish();
                let what =
                    format!("after step {done}; the checkpoint is written, --resume goes on");
                return Err(Failure::Signal(signal, what));
            }
        }
        outputs.progress.finish();
        self.finish(&outputs)?;
        Ok(End::Finished)
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
        let roll_back = self.run.config.not_finite == OnNotFinite::RollBack;
        let Some(bad_step) = bad_step.filter(|_| roll_back) else { return end("") };
        let Some(latest) = latest else { return end("nothing to roll back to: ") };
        if self.roll_backs == ROLL_BACKS {
            return end(&format!("after {ROLL_BACKS} roll-backs without a new checkpoint, "));
        }
        let skipped = self.run.state.skipped;
        self.run = self.run.restore(&latest.set).map_err(run_error)?;
        self.roll_backs += 1;
        // The data up to the bad step is left out, beside what was left out before.
        self.run.state.skipped = skipped + bad_step + 1 - self.run.apollo.step_count();
        outputs.progress.finish();
        *outputs = self.outputs(outputs.dir)?;
        outputs.progress.line(&format!(
            "{error}; rolled back to step {}, goes on with other data",
            self.run.apollo.step_count()
        ));
        Ok(self)
    }

    /// Reads the losses of the waiting steps, writes their rows, and tells them to the growth policy if it is time: at the
    /// same steps whether or not the run was interrupted.
    fn read_losses(&mut self, told: bool, table: &mut Table) -> Result<(), Failure> {
        for (mut row, loss) in self.run.waiting.drain(..) {
            row.train_loss = loss.try_into_scalar::<f64>().map_err(run_error)?;
            self.run.shown_loss = Some(row.train_loss);
            self.run.state.untold.push(LossPoint { step: row.step, loss: row.train_loss });
            table.write(&row)?;
        }
        if told {
            self.run.state.untold.drain(..).for_each(|p| self.run.losses.record(p.step, p.loss));
        }
        Ok(())
    }

    /// Writes a checkpoint after the rows that belong to it, validated if it is due: one that a signal asks for has to
    /// be quick. Gives the error of numbers that are not finite.
    fn save(
        &mut self,
        due: bool,
        told: bool,
        outputs: &mut Outputs,
    ) -> Result<Option<CheckpointError>, Failure> {
        let step = self.run.apollo.step_count();
        self.read_losses(told, &mut outputs.steps)?;
        outputs.steps.sync()?;
        let score = if due { Some(self.validate(outputs)?) } else { None };
        outputs.validation.sync()?;
        let save = || {
            let snapshot = Snapshot::new(&self.run.apollo, &self.run.optim, &self.run.scheduler)?
                .with_state("loop", &self.run.state)?
                .with_state("config", &self.run.config)?;
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
            let (score, depth) = self.run.score(inference)?;
            shown.push(format!("{:.4} at depth {depth}", score.loss));
            outputs.validation.write(&ValidationRow {
                step: self.run.apollo.step_count(),
                stage: self.run.apollo.stage(),
                unique_layers: self.run.apollo.unique_layers(),
                depth,
                val_loss: score.loss,
                val_accuracy: score.accuracy,
            })?;
            scores.push(score);
            if depth == self.run.task.targets().iter().sum::<usize>() {
                break;
            }
        }
        let step = self.run.apollo.step_count();
        outputs.progress.line(&format!("step {step}: validation loss {}", shown.join(", ")));
        Ok(scores[0])
    }

    fn finish(self, outputs: &Outputs) -> Result<(), Failure> {
        let Run { task, config, device, apollo, state, .. } = self.run;
        let layers = |stage: usize| apollo.layers_of_stage(stage).iter().sum::<usize>();
        let mut from = layers(0);
        let growths = apollo.growth_steps().iter().zip(apollo.growth_stages());
        let growths = growths.map(|(step, stage)| {
            let to = layers(stage);
            Growth { step: *step, from: std::mem::replace(&mut from, to), to }
        });
        let growths = growths.collect();
        let model = apollo.into_inner().map_err(run_error)?;
        for (name, content) in task.files() {
            outputs.dir.write(name, content).map_err(run_error)?;
        }
        let file = outputs.dir.file(MODEL);
        model
            .clone()
            .save_file(&file)
            .map_err(|e| run_error(format!("{}: {e}", file.display())))?;

        let model = model.valid();
        let score = task.validate(&model, &device)?;
        let measures = task.measures(&model, &device)?;
        let shown: String = measures
            .iter()
            .map(|(name, share)| format!(", {:.2} % {}", 100.0 * share, name.replace('_', " ")))
            .collect();
        let baseline = task.baseline(&device)?;
        let summary = Summary {
            config: &config,
            growths,
            val_loss: score.loss,
            val_accuracy: score.accuracy,
            measures,
            baseline,
            layer_passes: state.layer_passes,
            parameters: model.num_params(),
            items_per_second: outputs.progress.items_per_second(),
        };
        outputs.dir.write_json(SUMMARY, &summary)?;
        println!(
            "validation loss {:.4} {}, {:.2} % right{shown} ({}); {:.0} {} per second",
            score.loss,
            task.unit(),
            100.0 * score.accuracy,
            summary.baseline,
            summary.items_per_second,
            T::ITEMS
        );
        println!("written: {}", outputs.dir.path().display());
        println!("\n{}", task.show(&model, &device)?);
        Ok(())
    }
}
