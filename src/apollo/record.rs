//! The run as Burn's records hold it, of any stage.

use burn::module::Module;
use burn::store::ModuleRecord;

use super::position::Position;
use super::{Apollo, ApolloError};
use crate::expand::NewLayers;
use crate::panic::caught;
use crate::schedule::Timeline;
use crate::stack::{Growable, LayerSource};
use crate::wire::{ProgressRecord, WithProgress};

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
    /// The model and the run's progress as a module.
    pub(crate) fn module(&self) -> Result<WithProgress<M>, ApolloError> {
        Ok(WithProgress { model: self.model().clone(), progress: self.progress()? })
    }

    pub(crate) fn progress(&self) -> Result<ProgressRecord, ApolloError> {
        Ok(ProgressRecord::new(self.words()?, &self.device))
    }

    /// The run's progress as words: a state of the policy that it would not take back is refused.
    fn words(&self) -> Result<Vec<u64>, ApolloError> {
        let checked = caught(|| {
            let state = self.policy.state();
            self.policy.clone().restore(&state).map(|()| state)
        });
        let state = checked
            .map_err(|message| ApolloError::Panicked { what: "the growth policy", message })??;
        Ok(self.position.to_words(&self.plan.timeline, &state))
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
        Ok(apollo)
    }

    /// Brings running statistics up to date. Burn holds the last update back until the next forward pass, and neither
    /// a record nor a model that loads one should have to wait for that; only the way to validation does it.
    pub(crate) fn sync_buffers(&self) {
        drop(self.model().valid());
    }

    /// Records again what the growth policy had not been asked about when the record was made.
    pub(crate) fn set_measurements(&mut self, measurements: Vec<crate::policy::Measurement>) {
        self.measurements = measurements;
    }

    /// At the step and with the layers that `saved` says, whatever the layers hold.
    fn restored(mut self, saved: &SavedProgress) -> Result<Self, ApolloError> {
        let SavedProgress { words, timeline, other_policy } = saved;
        let own = &self.plan.timeline;
        let (position, policy_state) = match timeline {
            None => Position::from_words(words, own)?,
            Some(timeline) => {
                let (position, policy_state) = Position::from_words(words, timeline)?;
                (position.moved(timeline, own)?, policy_state)
            }
        };
        self.policy = self.plan.plan.policy.build()?;
        if !other_policy {
            caught(|| self.policy.restore(&policy_state)).map_err(|message| {
                ApolloError::Panicked { what: "the growth policy", message }
            })??;
        }
        let before = self.stage();
        self.position = position;
        (self.measurements, self.skipped) = (Vec::new(), 0);
        let (plan, device, stage) = (self.plan.clone(), self.device.clone(), self.stage());
        let from = self.position.stage_passed(before);
        // Only the number and the kinds of layers matter: their parameters are loaded next.
        let as_made = NewLayers::Copies;
        let position = self.position.clone();
        for (i, stack) in plan.stacks(self.model_mut())?.into_iter().enumerate() {
            let want = plan.timeline.layers(stage)[i];
            if from != before {
                stack.shorten(plan.timeline.layers(from)[i])?;
            }
            let have = stack.unique_layers();
            if want < have {
                stack.shorten(want)?;
            } else if have == 0 && want > 0 {
                let (layers, seed) = (want, plan.plan.seed);
                let (device, distributed) = (&device, false);
                let source =
                    LayerSource::Initialiser { layers, seed, stack: i, device, distributed };
                stack.grow(source, &as_made)?;
            } else if want > have {
                // By the run's own maps, which keep layers of unequal kinds in their places.
                let map = position.map_since(from, i, have)?;
                let source = LayerSource::Copies { map: &map, stage: 0, seed: 0 };
                stack.grow(source, &as_made)?;
            }
        }
        Ok(self)
    }
}
