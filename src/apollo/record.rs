//! The run as Burn's records hold it, of any stage.

use burn::module::Module;
use burn::store::ModuleRecord;

use super::position::Position;
use super::step::Checks;
use super::{Apollo, ApolloError};
use crate::expand::NewLayers;
use crate::policy::Measurement;
use crate::schedule::Timeline;
use crate::stack::Growable;
use crate::wire::{ProgressRecord, WithProgress, mix};

/// The progress of a run, as a record holds it.
#[derive(Debug)]
pub(crate) struct SavedProgress {
    pub(crate) words: Vec<u64>,
    /// The stages of the run that wrote it, where they may be others than this run's.
    pub(crate) timeline: Option<Timeline>,
    /// The growth policy is another, and begins anew.
    pub(crate) other_policy: bool,
}

impl SavedProgress {
    /// Of a run by the same plan.
    pub(crate) fn same_plan(words: Vec<u64>) -> Self {
        Self { words, timeline: None, other_policy: false }
    }
}

impl<M: Growable> Apollo<M> {
    /// The model and the run's progress as a module: a state of the policy that it would not take back is refused.
    pub(crate) fn module(&self) -> Result<WithProgress<M>, ApolloError> {
        let state = self.role.policy.state();
        self.role.policy.clone().restore(&state)?;
        let words = self.position.to_words(&self.plan.timeline, &state);
        let progress = ProgressRecord::new(words, &self.device);
        Ok(WithProgress { model: self.model().clone(), progress })
    }

    /// Loads a record of any stage, whose progress is `saved`: first the layers of its stage are made, then the
    /// parameters are loaded. `check` sees the model before that.
    pub(crate) fn loaded<E: From<ApolloError>>(
        self,
        saved: SavedProgress,
        record: ModuleRecord,
        check: impl FnOnce(&WithProgress<M>) -> Result<(), E>,
        misfit: impl FnOnce(String) -> E,
    ) -> Result<Self, E> {
        let mut apollo = self.restored(&saved)?;
        let progress = ProgressRecord::new(saved.words, &apollo.device);
        if let Some(model) = apollo.model.take() {
            let module = WithProgress { model, progress };
            check(&module)?;
            let loaded = module.try_load_record(record).map_err(|e| misfit(e.to_string()))?;
            apollo.model = Some(loaded.model);
        }
        apollo.begin_stage()?;
        apollo.draw_depth()?;
        Ok(apollo)
    }

    /// Brings running statistics up to date. Burn holds the last update back until the next forward pass, and neither
    /// a record nor a model that loads one should have to wait for that; only the way to validation does it.
    pub(crate) fn sync_buffers(&self) {
        drop(self.model().valid());
    }

    /// What was recorded since the policy was last asked.
    pub(crate) fn measurements(&self) -> &[Measurement] {
        &self.role.measurements
    }

    /// Records again what the growth policy had not been asked about when the record was made.
    pub(crate) fn set_measurements(&mut self, measurements: Vec<Measurement>) {
        self.role.measurements = measurements;
    }

    /// At the step and with the layers that `saved` says, whatever the layers hold.
    fn restored(mut self, saved: &SavedProgress) -> Result<Self, ApolloError> {
        let plan = self.plan.clone();
        let timeline = saved.timeline.as_ref().unwrap_or(&plan.timeline);
        let (position, policy_state) = Position::from_words(&saved.words, timeline)?;
        self.role.policy = plan.plan.policy.build()?;
        if !saved.other_policy {
            self.role.policy.restore(&policy_state)?;
        }
        self.role.measurements.clear();
        let before = self.stage();
        self.position = match &saved.timeline {
            Some(timeline) => position.moved(timeline, &plan.timeline)?,
            None => position,
        };
        self.checks = Checks::new(self.checks.non_finite);
        let from = self.position.stage_passed(before);
        // Only the number and the kinds of layers matter: their parameters are loaded next.
        let as_made = NewLayers::Copies;
        let (position, device) = (self.position.clone(), self.device.clone());
        for (i, stack) in plan.stacks(self.model_mut())?.into_iter().enumerate() {
            let layers = |stage: usize| plan.timeline.layers(stage)[i];
            if from != before {
                stack.shorten(layers(from));
            }
            let (have, want) = (stack.unique_layers(), layers(position.stage()));
            if want < have {
                stack.shorten(want);
            } else if have == 0 && want > 0 {
                let seed = mix(plan.plan.seed, i as u64);
                stack
                    .initialise(want, seed, &device, false, &as_made)
                    .ok_or_else(|| plan.no_initialiser(i))?;
            } else if want > have {
                // By the run's own maps, which keep layers of unequal kinds in their places.
                stack.grow(&position.map_since(from, i, have)?, 0, 0, &as_made);
            }
        }
        Ok(self)
    }
}
