//! The loop: every step in a table, a checkpoint every so many steps, and a resume that goes on as if nothing had
//! happened.

use std::error::Error;

use burn::module::Module;
use burn_apollo::apollo::{ApolloError, InferenceDepth};
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet, Snapshot};
use burn_apollo::contract;
use burn_apollo::cost::{ModelCost, PlanCost};
use burn_apollo::expand::NewLayers;
use burn_apollo::policy::Measurement;
use serde::Serialize;

use crate::config::{OnNotFinite, Options};
use crate::error::{Any, LabError, Result, RollBack, chain};
use crate::folder::RunFolder;
use crate::observer::Start;
use crate::results::ValidationRow;
use crate::run::end::End;
use crate::run::finish::finish;
use crate::run::state::{Run, Step};
use crate::task::{Task, targets};
use crate::terminal::Signals;

/// Losses are read every so many steps: reading one makes the device wait.
const READ_EVERY: u64 = 10;
/// How often in a row a run may roll back before it gives up.
const ROLL_BACKS: u32 = 3;

/// A run and what goes on around its steps.
pub struct TrainLoop<'a, T: Task, C> {
    run: Run<T, C>,
    step: Step<T, C>,
    options: &'a Options,
    dir: &'a RunFolder,
    roll_backs: u32,
    signals: &'static Signals,
}

impl<'a, T: Task, C: Serialize> TrainLoop<'a, T, C> {
    pub fn new(
        run: Run<T, C>,
        step: Step<T, C>,
        options: &'a Options,
        dir: &'a RunFolder,
    ) -> Result<Self> {
        Ok(Self { run, step, options, dir, roll_backs: 0, signals: Signals::catch()? })
    }

    pub fn train(mut self) -> Result<End> {
        self.start()?;
        let apollo = &self.run.apollo;
        self.run.message(&format!(
            "{} of {} layers, {} parameters",
            apollo.unique_layers(),
            self.layers(),
            apollo.model().num_params()
        ))?;
        for caution in apollo.plan().cautions() {
            self.run.message(&format!("note: {caution}"))?;
        }
        if let Some(note) = self.not_identities()? {
            self.run.message(&note)?;
        }
        let end = loop {
            if self.run.left() == 0 {
                break End::Finished;
            }
            let before = self.run.apollo.step_count();
            let stops_at = |step: u64| self.options.stop_after.is_some_and(|stop| stop <= step);
            if stops_at(before) {
                break End::Stopped { step: before };
            }
            match (self.step)(&mut self.run) {
                Ok(()) => {}
                Err(LabError::Step(error)) => {
                    let bad_step = matches!(error, ApolloError::Gradient { .. })
                        .then_some(self.run.apollo.step_count());
                    self = self.after_failure(error.into(), bad_step)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let done = self.run.apollo.step_count();
            // A step of one's own may be several.
            let passed = |every: u64| done / every > before / every;
            let signal = self.signals.caught();
            let due = passed(self.options.checkpoint_every) || self.run.left() == 0;
            let record = passed(READ_EVERY);
            if due || stops_at(done) || signal.is_some() {
                if let Some(error) = self.save(due, record)? {
                    self = self.after_failure(error.into(), Some(done - 1))?;
                    continue;
                }
            } else if record {
                self.read_losses(record)?;
            }
            if let Some(signal) = signal.filter(|_| self.run.left() > 0) {
                break End::Signal { signal, step: done };
            }
        };
        self.run.shared.observers.see(|observer| observer.end())?;
        if end == End::Finished {
            finish(self.run, self.dir)?;
        }
        Ok(end)
    }

    /// Layers of the full model, over all stacks.
    fn layers(&self) -> usize {
        targets(self.run.apollo.model()).iter().sum()
    }

    /// Tells the observers where the run stands.
    fn start(&self) -> Result<()> {
        let (apollo, layers_alone) = (&self.run.apollo, ModelCost::of_layer(1.0, 0.0));
        let cost = PlanCost::of(apollo.plan(), &targets(apollo.model()), &layers_alone, 1)?;
        let start = Start {
            folder: self.dir.path(),
            step: apollo.step_count(),
            steps: apollo.total_steps(),
            stages: &cost.stages,
            layers: self.layers(),
            items: T::ITEMS,
        };
        self.run.shared.observers.see(|observer| observer.start(&start))
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
    fn after_failure(self, cause: Any, bad_step: Option<u64>) -> Result<Self> {
        let latest = self.dir.checkpoints.latest_good().map_err(LabError::failed)?;
        let kept = latest.as_ref().map(|latest| latest.set.step());
        let asked = self.run.config().not_finite == OnNotFinite::RollBack;
        let roll_back = match (&latest, bad_step.filter(|_| asked)) {
            (_, None) => RollBack::NotAsked,
            (None, _) => RollBack::NoCheckpoint,
            (Some(_), _) if self.roll_backs == ROLL_BACKS => RollBack::TooOften(ROLL_BACKS),
            (Some(latest), Some(bad_step)) => {
                return self.roll_back(&latest.set, bad_step, &*cause);
            }
        };
        Err(LabError::Ended { cause, roll_back, kept })
    }

    fn roll_back(
        mut self,
        set: &CheckpointSet,
        bad_step: u64,
        error: &(dyn Error + 'static),
    ) -> Result<Self> {
        let skipped = self.run.state.skipped;
        self.run = self.run.restore(set).map_err(LabError::failed)?;
        self.roll_backs += 1;
        let step = self.run.apollo.step_count();
        // The data up to the bad step is left out, beside what was left out before.
        self.run.state.skipped = skipped + bad_step + 1 - step;
        self.start()?;
        let why = chain(error);
        self.run.message(&format!("{why}; rolled back to step {step}, goes on with other data"))?;
        self.run.shared.observers.see(|observer| observer.roll_back(step))?;
        Ok(self)
    }

    /// Reads the losses of the waiting steps, and records them for the growth policy if it is time: at the same steps whether
    /// or not the run was interrupted.
    fn read_losses(&mut self, record: bool) -> Result<()> {
        let Run { shared, apollo, state, waiting, .. } = &mut self.run;
        for (mut row, loss) in waiting.drain(..) {
            row.train_loss = loss.try_into_scalar::<f64>()?;
            state.losses.push(Measurement::loss(row.step, row.train_loss, 0));
            shared.observers.see(|observer| observer.loss(&row))?;
        }
        if record {
            state.losses.drain(..).for_each(|loss| apollo.record_loss(loss.step, loss.value));
        }
        Ok(())
    }

    /// Writes a checkpoint after the rows that belong to it, validated if it is due: one that a signal asks for has to
    /// be quick. Gives the error of numbers that are not finite.
    fn save(&mut self, due: bool, record: bool) -> Result<Option<CheckpointError>> {
        self.read_losses(record)?;
        let loss = if due { Some(self.validate()?) } else { None };
        let Run { shared, apollo, optim, scheduler, state, .. } = &self.run;
        let step = apollo.step_count();
        shared.observers.see(|observer| observer.before_checkpoint())?;
        let snapshot = || {
            let snapshot = Snapshot::new(apollo, optim, scheduler)?
                .with_state("loop", state)?
                .with_state("config", &shared.config)?;
            match loss {
                Some(loss) => snapshot.with_metric(loss),
                None => Ok(snapshot),
            }
        };
        match snapshot().and_then(|snapshot| self.dir.checkpoints.save(snapshot)) {
            Ok(report) => {
                report.not_removed.iter().try_for_each(|e| self.run.message(&chain(e)))?;
                self.roll_backs = 0;
                self.run.shared.observers.see(|observer| observer.checkpoint(step))?;
                Ok(None)
            }
            Err(error @ CheckpointError::NotFinite { .. }) => Ok(Some(error)),
            Err(cause) => Err(LabError::Checkpoint { step, cause }),
        }
    }

    /// Validates at the unique layers and at full depth; gives the loss at the unique layers.
    fn validate(&self) -> Result<f64> {
        let (apollo, mut rows) = (&self.run.apollo, Vec::new());
        for inference in [InferenceDepth::Unique, InferenceDepth::Full] {
            let (score, depth) = self.run.score(inference)?;
            rows.push(ValidationRow {
                step: apollo.step_count(),
                stage: apollo.stage(),
                unique_layers: apollo.unique_layers(),
                depth,
                val_loss: score.loss,
                val_accuracy: score.accuracy,
                operations: self.run.state.meter.operations(),
            });
            if depth == self.layers() {
                break;
            }
        }
        self.run.shared.observers.see(|observer| observer.validation(&rows))?;
        Ok(rows[0].val_loss)
    }
}
