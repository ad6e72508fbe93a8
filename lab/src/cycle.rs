//! The loop: every step in a table, a checkpoint every so many steps, and a resume that goes on as if nothing had
//! happened.

use std::error::Error;

use burn::module::Module;
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet, Snapshot};
use burn_apollo::contract;
use burn_apollo::cost::{ModelCost, PlanCost};
use burn_apollo::expand::NewLayers;
use burn_apollo::policy::Measurement;
use burn_apollo::{ApolloError, InferenceDepth};
use serde::Serialize;

use crate::config::OnNotFinite;
use crate::end::End;
use crate::error::{LabError, Result, RollBack, chain};
use crate::events::Events;
use crate::finish::finish;
use crate::folder::RunFolder;
use crate::options::Options;
use crate::prefix;
use crate::progress::Progress;
use crate::results::{STEPS, VALIDATION, ValidationRow};
use crate::run::{Run, Step};
use crate::signal::Signals;
use crate::step::targets;
use crate::table::Table;
use crate::task::{Score, Task};

/// Losses are read every so many steps: reading one makes the device wait.
const READ_EVERY: u64 = 10;
/// How often in a row a run may roll back before it gives up.
const ROLL_BACKS: u32 = 3;

/// A run and what goes on around its steps.
pub struct Cycle<T: Task, C> {
    run: Run<T, C>,
    step: Step<T, C>,
    roll_backs: u32,
    signals: &'static Signals,
}

/// What a run writes while it goes.
struct Outputs<'a> {
    dir: &'a RunFolder,
    steps: Table,
    validation: Table,
    events: Option<Events>,
    progress: Progress,
}

impl<T: Task, C: Serialize> Cycle<T, C> {
    pub fn of(run: Run<T, C>, step: Step<T, C>) -> Result<Self> {
        let signals = Signals::catch()?;
        Ok(Self { run, step, roll_backs: 0, signals })
    }

    fn outputs<'a>(&self, dir: &'a RunFolder, options: &Options) -> Result<Outputs<'a>> {
        let first = self.run.apollo.step_count();
        let (steps, validation) = match first {
            0 => (Table::create(dir, STEPS)?, Table::create(dir, VALIDATION)?),
            _ => (
                Table::resume(dir, STEPS, |row| row < first, first)?,
                Table::resume(dir, VALIDATION, |row| row <= first, 0)?,
            ),
        };
        let full = self.targets().iter().sum();
        let events =
            options.tensorboard.then(|| Events::open(dir.path(), first, full)).transpose()?;
        let quiet = options.quiet;
        let (plan, depths) = (self.run.apollo.plan(), self.expected_depths()?);
        let progress = Progress::new(first, plan.steps, depths, T::ITEMS, quiet);
        Ok(Outputs { dir, steps, validation, events, progress })
    }

    /// End and expected depth, over all stacks, of each stage.
    fn expected_depths(&self) -> Result<Vec<(u64, f64)>> {
        let layers_alone = ModelCost::of_layer(1.0, 0.0);
        let apollo = &self.run.apollo;
        let cost = PlanCost::of(apollo.plan(), &self.targets(), &layers_alone, 1)?;
        Ok(cost.stages.iter().map(|stage| (stage.end, stage.depths.iter().sum())).collect())
    }

    /// The full model's layers, stack by stack.
    fn targets(&self) -> Vec<usize> {
        targets(self.run.apollo.model())
    }

    pub fn train(mut self, options: &Options, dir: &RunFolder) -> Result<End> {
        let mut outputs = self.outputs(dir, options)?;
        outputs.progress.line(&format!(
            "{} of {} layers, {} parameters",
            self.run.apollo.unique_layers(),
            self.targets().iter().sum::<usize>(),
            self.run.apollo.model().num_params()
        ));
        for caution in self.run.apollo.plan().cautions() {
            outputs.progress.line(&format!("note: {caution}"));
        }
        if let Some(note) = self.not_identities()? {
            outputs.progress.line(&note);
        }
        while self.run.left() > 0 {
            let before = self.run.apollo.step_count();
            if options.stop_after.is_some_and(|step| step <= before) {
                outputs.progress.finish();
                return Ok(End::Stopped { step: before });
            }
            match (self.step)(&mut self.run, &mut outputs.progress) {
                Ok(()) => {}
                Err(LabError::Step(error)) => {
                    let bad_step = matches!(error, ApolloError::Gradient { .. })
                        .then_some(self.run.apollo.step_count());
                    self = self.after_failure(error.into(), bad_step, options, &mut outputs)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let done = self.run.apollo.step_count();
            // A step of one's own may be several.
            let passed = |every: u64| done / every > before / every;
            let stop = options.stop_after.is_some_and(|step| step <= done) && self.run.left() > 0;
            let signal = self.signals.caught();
            let due = passed(options.checkpoint_every) || self.run.left() == 0;
            let record = passed(READ_EVERY);
            let keep = options.keep_at.contains(&done);
            if due || stop || signal.is_some() {
                if let Some(error) = self.save(due, record, keep, &mut outputs)? {
                    self =
                        self.after_failure(error.into(), Some(done - 1), options, &mut outputs)?;
                    continue;
                }
            } else if keep {
                self.read_losses(record, &mut outputs)?;
                self.keep(&mut outputs)?;
            } else if record {
                self.read_losses(record, &mut outputs)?;
            }
            if let Some(signal) = signal.filter(|_| self.run.left() > 0) {
                outputs.progress.finish();
                return Ok(End::Signal { signal, step: done });
            }
        }
        outputs.progress.finish();
        let items_per_second = outputs.progress.items_per_second();
        finish(self.run, dir, items_per_second, options)?;
        Ok(End::Finished)
    }

    /// What to say at the beginning of a run whose new layers are to begin as the identity, and do not.
    fn not_identities(&self) -> Result<Option<String>> {
        let (apollo, shared) = (&self.run.apollo, &self.run.shared);
        if apollo.step_count() > 0 || !matches!(apollo.plan().new_layers, NewLayers::Zeroed(_)) {
            return Ok(None);
        }
        // Any batch will do; it is asked for once more as the run's first.
        shared.task.batch(0, &shared.device)?;
        let loss = |model: &T::Model| {
            let batch = shared.task.batch(0, &shared.device).ok();
            let loss = batch.map(|batch| shared.task.loss(model, batch).into_scalar::<f32>());
            loss.map_or(f64::NAN, f64::from)
        };
        Ok(contract::identity(apollo, loss).err().map(|violation| {
            format!(
                "note: `new_layers` are to begin as the identity, but the loss of a batch changes with a growth, by stage and \
                 loss: {violation}; do the names hold all that a layer adds to its input?"
            )
        }))
    }

    /// What becomes of a run that failed: back to the last good checkpoint if numbers went bad in `bad_step`, or an end.
    fn after_failure(
        self,
        error: Box<dyn Error + Send + Sync>,
        bad_step: Option<u64>,
        options: &Options,
        outputs: &mut Outputs,
    ) -> Result<Self> {
        let latest = outputs.dir.checkpoints.latest_good().map_err(LabError::failed)?;
        let kept = latest.as_ref().map(|latest| latest.set.step());
        let asked = self.run.config().not_finite == OnNotFinite::RollBack;
        let why = match (&latest, bad_step.filter(|_| asked)) {
            (_, None) => RollBack::NotAsked,
            (None, _) => RollBack::NoCheckpoint,
            (Some(_), _) if self.roll_backs == ROLL_BACKS => RollBack::TooOften(ROLL_BACKS),
            (Some(latest), Some(bad_step)) => {
                return self.roll_back(&latest.set, bad_step, &*error, options, outputs);
            }
        };
        Err(LabError::Ended { cause: error, roll_back: why, kept })
    }

    fn roll_back(
        mut self,
        set: &CheckpointSet,
        bad_step: u64,
        error: &(dyn Error + Send + Sync),
        options: &Options,
        outputs: &mut Outputs,
    ) -> Result<Self> {
        let skipped = self.run.state.skipped;
        self.run = self.run.restore(set).map_err(LabError::failed)?;
        self.roll_backs += 1;
        // The data up to the bad step is left out, beside what was left out before.
        self.run.state.skipped = skipped + bad_step + 1 - self.run.apollo.step_count();
        outputs.progress.finish();
        *outputs = self.outputs(outputs.dir, options)?;
        let step = self.run.apollo.step_count();
        let line = format!("{}; rolled back to step {step}, goes on with other data", chain(error));
        outputs.progress.line(&line);
        self.run.shared.observer.roll_back(step);
        Ok(self)
    }

    /// Reads the losses of the waiting steps, writes their rows, and records them for the growth policy if it is time: at
    /// the same steps whether or not the run was interrupted.
    fn read_losses(&mut self, record: bool, outputs: &mut Outputs) -> Result<()> {
        for (mut row, loss) in self.run.waiting.drain(..) {
            row.train_loss = loss.try_into_scalar::<f64>()?;
            self.run.shown_loss = Some(row.train_loss);
            self.run.state.losses.push(Measurement::loss(row.step, row.train_loss, 0));
            outputs.steps.write(&row)?;
            if let Some(events) = &mut outputs.events {
                events.step(&row)?;
            }
            self.run.shared.observer.loss(&row);
        }
        if record {
            for loss in self.run.state.losses.drain(..) {
                self.run.apollo.record_loss(loss.step, loss.value);
            }
        }
        Ok(())
    }

    /// Writes a checkpoint after the rows that belong to it, validated if it is due: one that a signal asks for has to
    /// be quick. Gives the error of numbers that are not finite.
    fn save(
        &mut self,
        due: bool,
        record: bool,
        keep: bool,
        outputs: &mut Outputs,
    ) -> Result<Option<CheckpointError>> {
        let step = self.run.apollo.step_count();
        self.read_losses(record, outputs)?;
        outputs.steps.sync()?;
        let score = if due { Some(self.validate(outputs)?) } else { None };
        outputs.validation.sync()?;
        if let Some(events) = &mut outputs.events {
            events.sync()?;
        }
        if keep {
            self.keep(outputs)?;
        }
        let save = || {
            let snapshot = match score {
                Some(score) => self.snapshot()?.with_metric(score.loss)?,
                None => self.snapshot()?,
            };
            outputs.dir.checkpoints.save(snapshot)
        };
        match save() {
            Ok(report) => {
                report.not_removed.iter().for_each(|e| outputs.progress.line(&chain(e)));
                self.roll_backs = 0;
                self.run.shared.observer.checkpoint(step);
                Ok(None)
            }
            Err(error @ CheckpointError::NotFinite { .. }) => Ok(Some(error)),
            Err(cause) => Err(LabError::Checkpoint { step, cause }),
        }
    }

    fn snapshot(&self) -> Result<Snapshot, CheckpointError> {
        let Run { apollo, optim, scheduler, state, .. } = &self.run;
        Snapshot::new(apollo, optim, scheduler)?
            .with_state("loop", state)?
            .with_state("config", self.run.config())
    }

    /// Keeps a checkpoint for other runs, after the rows that belong to it. Numbers that are not finite are not kept:
    /// they are found where the run looks for them.
    fn keep(&self, outputs: &mut Outputs) -> Result<()> {
        let step = self.run.apollo.step_count();
        outputs.steps.sync()?;
        outputs.validation.sync()?;
        let snapshot = self.snapshot().map_err(|cause| LabError::Checkpoint { step, cause })?;
        prefix::keep(outputs.dir, step, snapshot)
    }

    /// Validates at the unique layers and at full depth; gives the score at the unique layers.
    fn validate(&self, outputs: &mut Outputs) -> Result<Score> {
        let (mut shown, mut scores) = (Vec::new(), Vec::new());
        for inference in [InferenceDepth::Unique, InferenceDepth::Full] {
            let (score, depth) = self.run.score(inference)?;
            shown.push(match shown.is_empty() {
                true => format!("{:.4} at depth {depth}", score.loss),
                false => format!("{:.4} with layers repeated to depth {depth}", score.loss),
            });
            let row = ValidationRow {
                step: self.run.apollo.step_count(),
                stage: self.run.apollo.stage(),
                unique_layers: self.run.apollo.unique_layers(),
                depth,
                val_loss: score.loss,
                val_accuracy: score.accuracy,
                operations: self.run.state.meter.operations(),
            };
            outputs.validation.write(&row)?;
            if let Some(events) = &mut outputs.events {
                events.validation(&row)?;
            }
            self.run.shared.observer.validation(&row);
            scores.push(score);
            if depth == self.targets().iter().sum::<usize>() {
                break;
            }
        }
        let step = self.run.apollo.step_count();
        outputs.progress.line(&format!("step {step}: validation loss {}", shown.join(", ")));
        Ok(scores[0])
    }
}
