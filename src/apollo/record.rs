//! Loading a record of any stage.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;

use super::progress::{Progress, ProgressRecord};
use super::{Apollo, ApolloError};
use crate::expand::NewLayers;
use crate::schedule::{LossPoint, Measurement};
use crate::stack::{Growable, LayerSource};

impl<M: Growable> Apollo<M> {
    pub(super) fn progress_record(&self) -> ProgressRecord {
        let words = self.progress.to_words(&self.plan.timeline, &self.policy.state());
        ProgressRecord::new(words, &self.device)
    }

    /// Reads where the run stood, gives the stacks the layers of that stage, then loads the parameters.
    pub(super) fn load(self, record: ModuleRecord) -> Result<Self, RecordError> {
        let probe = self
            .progress_record()
            .try_load_record(record.clone().allow_unused(true))
            .map_err(|e| self.not_ours(&e))?;
        let apollo = self.restored(&probe.words()?).map_err(invalid)?;
        let mut apollo = Loading(apollo).try_load_record(record)?.0;
        apollo.begin_stage().map_err(invalid)?;
        Ok(apollo)
    }

    /// Brings running statistics up to date. Burn holds the last update back until the next forward pass, and neither
    /// a record nor a model that loads one should have to wait for that; only the way to validation does it.
    pub(crate) fn sync_buffers(&self) {
        drop(self.model.valid());
    }

    /// What the growth policy has been told, but has not been asked about yet.
    pub(crate) fn unheard(&self) -> (Vec<LossPoint>, Vec<Measurement>) {
        let (losses, measured, _) = self.plan.config.losses.since(self.heard);
        (losses, measured)
    }

    /// Tells the growth policy again.
    pub(crate) fn tell_again(&self, losses: &[LossPoint], measured: &[Measurement]) {
        let feed = &self.plan.config.losses;
        losses.iter().for_each(|p| feed.record(p.step, p.loss));
        measured.iter().for_each(|m| feed.tell(m.clone()));
    }

    fn not_ours(&self, error: &RecordError) -> RecordError {
        RecordError::Validation(format!(
            "the record does not hold the progress of a run with {} stages and this growth policy \
             (`apollo.progress`): {error:?}",
            self.stages()
        ))
    }

    /// At the step and with the layers that `words` say, whatever the layers hold.
    pub(crate) fn restored(mut self, words: &[u64]) -> Result<Self, ApolloError> {
        let (progress, policy_state) = Progress::from_words(words, &self.plan.timeline)?;
        self.policy.restore(&policy_state)?;
        let before = self.stage();
        self.progress = progress;
        (self.growth, self.failure, self.skipped) = (None, None, None);
        #[cfg(feature = "train")]
        {
            self.micro_batches = Default::default();
        }
        self.branch = None;
        self.plan.config.losses.set_deaf(false);
        self.heard = self.plan.config.losses.heard();
        let (plan, device, stage) = (self.plan.clone(), self.device.clone(), self.stage());
        let from = self.progress.stage_passed(before);
        // Only the number and the kinds of layers matter: their parameters are loaded next.
        let as_made = NewLayers::Copies;
        for (i, stack) in plan.stacks(&mut self.model)?.into_iter().enumerate() {
            let want = plan.timeline.layers(stage)[i];
            if from != before {
                stack.shorten(plan.timeline.layers(from)[i])?;
            }
            let have = stack.unique_layers();
            if want < have {
                stack.shorten(want)?;
            } else if have == 0 && want > 0 {
                let (layers, seed) = (want, plan.config.seed);
                let (device, distributed) = (&device, false);
                let source =
                    LayerSource::Initialiser { layers, seed, stack: i, device, distributed };
                stack.grow(source, &as_made)?;
            } else if want > have {
                // By the run's own maps, which keep layers of unequal kinds in their places.
                let map = self.progress.map_since(from, i, have)?;
                stack.grow(LayerSource::Copies { map: &map, stage: 0 }, &as_made)?;
            }
        }
        Ok(self)
    }
}

fn invalid(error: ApolloError) -> RecordError {
    RecordError::Validation(error.to_string())
}

/// An [`Apollo`] that loads as any module does, without reading its progress first.
#[derive(Debug, Clone)]
struct Loading<M>(Apollo<M>);

impl<M: Growable> Module for Loading<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }

    fn train(self) -> Self {
        Self(self.0.train())
    }

    fn valid(&self) -> Self {
        Self(self.0.valid())
    }

    fn materialize(self) -> Self {
        Self(self.0.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.0.visit(visitor);
    }

    fn map<T: ModuleMapper>(self, mapper: &mut T) -> Self {
        Self(self.0.map(mapper))
    }
}
