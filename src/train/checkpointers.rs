use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use burn::optim::OptimizerRecord;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use serde::Serialize;
use serde_json::Value;

use super::monitor::lock;
use super::trainable::chain;
use crate::apollo::{Apollo, UnrecordedSteps};
use crate::checkpoint::{
    CheckpointError, CheckpointStore, MODEL, Manifest, RECORDS, Snapshot, encode, epoch_of,
    to_value,
};
use crate::plan::Plan;
use crate::stack::Growable;
use crate::wire::Pack;

/// Checkpointers for burn-train that write its three records as one [set](crate::checkpoint::CheckpointSet) per epoch.
///
/// A set holds all that one of a hand-written loop does: what was frozen and what the growth policy has yet to see too. A
/// set that cannot be written stops the training; on a terminal, [`KeepError`](super::KeepError) says why.
///
/// burn-train's strategy says which epochs to keep (`with_checkpointing_strategy`), not the store's
/// [`Retention`](crate::checkpoint::Retention); but an epoch is only removed once a newer set was found good.
///
/// ```
/// use burn::train::{Learner, SupervisedTraining};
/// use burn_apollo::checkpoint::{CheckpointStore, Retention};
/// use burn_apollo::train::{SetCheckpointers, Trainable};
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// # use burn::data::{dataloader::DataLoaderBuilder, dataset::InMemDataset, dataloader::batcher::Batcher};
/// # use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
/// # use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep};
/// # use burn::optim::AdamWConfig;
/// # use burn_apollo::{Apollo, Plan, growable, stack::LayerStack};
/// # #[derive(Module, Debug)]
/// # struct Mlp { blocks: LayerStack<Linear> }
/// # growable!(Mlp { blocks });
/// # impl Mlp {
/// #     fn output(&self, x: Tensor<2>) -> RegressionOutput {
/// #         let y = self.blocks.iter().fold(x.clone(), |x, block| x.clone() + block.forward(x).tanh());
/// #         RegressionOutput::new((y.clone() - x.clone()).powi_scalar(2).mean(), y, x)
/// #     }
/// # }
/// # impl TrainStep for Mlp {
/// #     type Input = Tensor<2>;
/// #     type Output = RegressionOutput;
/// #     fn step(&self, x: Tensor<2>) -> TrainOutput<RegressionOutput> {
/// #         let output = self.output(x);
/// #         TrainOutput::new(self, output.loss.backward(), output)
/// #     }
/// # }
/// # impl InferenceStep for Mlp {
/// #     type Input = Tensor<2>;
/// #     type Output = RegressionOutput;
/// #     fn step(&self, x: Tensor<2>) -> RegressionOutput { self.output(x) }
/// # }
/// # struct Rows;
/// # impl Batcher<f32, Tensor<2>> for Rows {
/// #     fn batch(&self, items: Vec<f32>, device: &Device) -> Tensor<2> {
/// #         Tensor::<1>::from_floats(items.as_slice(), device).reshape([items.len(), 1]).repeat_dim(1, 8)
/// #     }
/// # }
/// # let loader = || DataLoaderBuilder::new(Rows).batch_size(2).build(InMemDataset::new(vec![0.1_f32, 0.2, 0.3, 0.4]));
/// # let device = Device::default().autodiff();
/// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// # let mut optim = AdamWConfig::new().init();
/// # let mut scheduler = CosineAnnealingLrSchedulerConfig::new(1e-3, 20).init()?;
/// # let temporary = tempfile::tempdir()?;
/// # let dir = temporary.path();
/// let mut apollo = Apollo::new(mlp, Plan::new(20))?;
///
/// let store = CheckpointStore::open(dir.join("checkpoints"), Retention::default())?;
/// let latest = store.latest_good()?;
/// let checkpointers = SetCheckpointers::new(store, &apollo).with_scheduler(&scheduler);
/// let mut training = SupervisedTraining::new(dir, loader(), loader())
///     .with_custom_checkpointers(checkpointers.model(), checkpointers.optim(), checkpointers.scheduler())
///     .num_epochs(3);
/// # training = training.with_application_logger(None);
/// if let Some(set) = latest.map(|latest| latest.set) {
///     // Loaded here for its typed errors: burn-train panics at a record that does not fit.
///     (apollo, optim, scheduler) = set.load(apollo, optim, scheduler)?;
///     if let Some(epoch) = set.epoch() {
///         training = training.checkpoint(epoch);
///     }
/// }
/// let model = Trainable::new(apollo, training.interrupter());
/// let result = training.launch(Learner::new(model, optim, scheduler));
/// # assert!(result.error.is_none());
/// # drop(checkpointers);
/// # let store = CheckpointStore::open(dir.join("checkpoints"), Retention::default())?;
/// # assert_eq!(store.latest_good()?.unwrap().set.epoch(), Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SetCheckpointers {
    sets: Arc<Mutex<Sets>>,
}

/// What follows from the epoch: a state, or the value that the best sets are found by.
type OfEpoch<T> = Box<dyn Fn(usize) -> T + Send>;

/// The sets of a run, and what burn-train asked for and is not done yet.
struct Sets {
    store: CheckpointStore,
    plan: Plan,
    targets: Vec<usize>,
    unrecorded: UnrecordedSteps,
    scheduler: Option<ModuleLrScheduler>,
    states: BTreeMap<String, OfEpoch<Result<Value, CheckpointError>>>,
    metric: Option<OfEpoch<Option<f64>>>,
    /// Records of epochs whose other records are still to come, in the order of [`RECORDS`].
    partial: BTreeMap<usize, [Option<Bytes>; 3]>,
    /// Epochs to remove once a newer set is good.
    to_remove: BTreeSet<usize>,
    /// Whether the last set that was to be written is there.
    written: bool,
}

impl fmt::Debug for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sets").field("store", &self.store).finish_non_exhaustive()
    }
}

impl SetCheckpointers {
    /// Checkpointers that write into `store`, for a run of `apollo`: of the one that is given or of a clone of it, before or
    /// after it takes up a set.
    pub fn new<M: Growable>(store: CheckpointStore, apollo: &Apollo<M>) -> Self {
        let sets = Sets {
            store: store.keep_all(),
            plan: apollo.plan().clone(),
            targets: apollo.targets().to_vec(),
            unrecorded: apollo.unrecorded(),
            scheduler: None,
            states: BTreeMap::new(),
            metric: None,
            partial: BTreeMap::new(),
            to_remove: BTreeSet::new(),
            written: false,
        };
        Self { sets: Arc::new(Mutex::new(sets)) }
    }

    /// Lets every set from now on hold the learning rate that comes next, by a scheduler like the training's: a run that
    /// takes a set up with another rate is refused then, as in a hand-written loop.
    pub fn with_scheduler(self, scheduler: &ModuleLrScheduler) -> Self {
        self.with(|sets| sets.scheduler = Some(scheduler.clone()))
    }

    /// Adds a state of your own to every set from now on, as [`Snapshot::with_state`] does: the configuration, say.
    ///
    /// # Errors
    ///
    /// Where JSON cannot hold it.
    pub fn with_state(
        self,
        name: &str,
        state: &(impl Serialize + ?Sized),
    ) -> Result<Self, CheckpointError> {
        let value = to_value(name, state)?;
        Ok(self.with_epoch_state(name, move |_| value.clone()))
    }

    /// Adds a state that follows from the epoch to every set from now on: the position in the data, say.
    ///
    /// ```
    /// # use burn_apollo::{checkpoint::CheckpointError, train::SetCheckpointers};
    /// use burn_apollo::data::DataPosition;
    ///
    /// # fn with_position(checkpointers: SetCheckpointers) -> SetCheckpointers {
    /// checkpointers.with_epoch_state("data", |epoch| DataPosition::after_epoch(42, epoch))
    /// # }
    /// ```
    pub fn with_epoch_state<T: Serialize>(
        self,
        name: &str,
        state: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Self {
        let key = name.to_owned();
        let state: OfEpoch<_> = Box::new(move |epoch| to_value(&key, &state(epoch)));
        self.with(|sets| drop(sets.states.insert(name.to_owned(), state)))
    }

    /// Gives every set from now on the value that the best sets are found by: what `metric` says of an epoch, a validation
    /// loss for one, which the model's `InferenceStep` adds up in a handle of your own. burn-train validates an epoch before
    /// it saves it. Values that are not finite are left out.
    pub fn with_metric(
        self,
        metric: impl Fn(usize) -> Option<f64> + Send + Sync + 'static,
    ) -> Self {
        self.with(|sets| sets.metric = Some(Box::new(metric)))
    }

    fn with(self, change: impl FnOnce(&mut Sets)) -> Self {
        change(&mut lock(&self.sets));
        self
    }

    /// The checkpointer of the model's record.
    pub fn model(&self) -> impl Checkpointer<ModuleRecord> + use<> {
        RecordCheckpointer { sets: self.sets.clone(), record: 0 }
    }

    /// The checkpointer of the optimizer's record.
    pub fn optim(&self) -> impl Checkpointer<OptimizerRecord> + use<> {
        RecordCheckpointer { sets: self.sets.clone(), record: 1 }
    }

    /// The checkpointer of the learning-rate scheduler's record.
    pub fn scheduler(&self) -> impl Checkpointer<LrSchedulerRecord> + use<> {
        RecordCheckpointer { sets: self.sets.clone(), record: 2 }
    }
}

/// Of one of the [`RECORDS`]. burn-train calls each from a thread of its own.
struct RecordCheckpointer {
    sets: Arc<Mutex<Sets>>,
    record: usize,
}

impl<R: Checkpoint> Checkpointer<R> for RecordCheckpointer {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let bytes =
            encode(RECORDS[self.record], record.checkpoint_into_bytes()).map_err(unknown)?;
        lock(&self.sets).put(epoch, self.record, bytes).map_err(unknown)
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        lock(&self.sets).remove_epoch(epoch).map_err(unknown)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        let set = lock(&self.sets).store.good_of_epoch(epoch).map_err(unknown)?;
        let bytes = set.read(RECORDS[self.record]).map_err(unknown)?;
        R::checkpoint_from_bytes(bytes).map_err(CheckpointerError::Record)
    }
}

impl Sets {
    /// Takes a record of an epoch; the last of its three writes the set.
    fn put(&mut self, epoch: usize, record: usize, bytes: Bytes) -> Result<(), CheckpointError> {
        let records = self.partial.entry(epoch).or_default();
        records[record] = Some(bytes);
        let [Some(model), Some(optim), Some(scheduler)] = records.clone() else { return Ok(()) };
        self.partial.remove(&epoch);
        self.written = false;
        let snapshot = self.snapshot(epoch, [model, optim, scheduler])?;
        self.store.save(snapshot)?;
        self.written = true;
        // The set is there; what cannot be removed now is tried again with the next one.
        if self.remove_older().is_ok() {
            self.to_remove.clear();
        }
        Ok(())
    }

    fn snapshot(&self, epoch: usize, records: [Bytes; 3]) -> Result<Snapshot, CheckpointError> {
        let (step, next) = (step(&records[0])?, self.scheduler_after(&records[2]));
        let manifest = Manifest::new(step, self.plan.clone(), self.targets.clone(), &records);
        let mut snapshot = Snapshot { manifest, records }.with_epoch(epoch);
        if let Some(scheduler) = next {
            snapshot = snapshot.with_rate_of(&scheduler);
        }
        if let Some(unrecorded) = self.unrecorded.take(step) {
            snapshot.manifest.measurements = unrecorded.measurements;
            snapshot.manifest.frozen = Some(unrecorded.frozen);
        }
        for (name, state) in &self.states {
            snapshot.manifest.state.insert(name.clone(), state(epoch)?);
        }
        let metric = self.metric.as_ref().and_then(|metric| metric(epoch));
        snapshot.manifest.metric = metric.filter(|metric| metric.is_finite());
        Ok(snapshot)
    }

    /// The training's scheduler as its record says.
    fn scheduler_after(&self, record: &Bytes) -> Option<ModuleLrScheduler> {
        let record = LrSchedulerRecord::from_bytes(record.clone()).ok()?;
        Some(self.scheduler.clone()?.load_record(record))
    }

    /// Removes an epoch's sets, as soon as a newer one is there.
    fn remove_epoch(&mut self, epoch: usize) -> Result<(), CheckpointError> {
        self.to_remove.insert(epoch);
        if !self.partial.is_empty() || !self.written {
            return Ok(());
        }
        let newest = self.remove_older()?;
        self.to_remove.retain(|epoch| Some(*epoch) == newest);
        Ok(())
    }

    /// Removes the sets of epochs to remove but for the newest set; gives the epoch of that.
    fn remove_older(&self) -> Result<Option<usize>, CheckpointError> {
        let mut sets = self.store.sets()?;
        let newest = sets.pop().and_then(|(_, path)| epoch_of(&path));
        for (_, path) in sets {
            if epoch_of(&path).is_some_and(|epoch| self.to_remove.contains(&epoch)) {
                self.store.remove(&path)?;
            }
        }
        Ok(newest)
    }
}

/// Optimizer steps done, from a model's record.
fn step(model: &Bytes) -> Result<u64, CheckpointError> {
    let words = Pack::read(model).and_then(|pack| pack.progress_words());
    let step = words.and_then(|w| w.get(1).copied().ok_or_else(|| "it is empty".to_owned()));
    step.map_err(|message| CheckpointError::misfit(MODEL, &message))
}

/// burn-train shows the text alone, so the causes are in it.
fn unknown(error: CheckpointError) -> CheckpointerError {
    CheckpointerError::Unknown(chain(&error))
}
