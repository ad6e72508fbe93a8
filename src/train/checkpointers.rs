use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use burn::optim::OptimizerRecord;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use serde::Serialize;
use serde_json::Value;

use super::trainable::chain;
use crate::apollo::{Apollo, Notes};
use crate::checkpoint::{
    CheckpointError, CheckpointSet, CheckpointStore, MODEL, OPTIM, SCHEDULER, Snapshot, encode,
    next_rate, read_manifest, to_value,
};
use crate::plan::Plan;
use crate::stack::Growable;
use crate::wire::Pack;

/// Checkpointers for burn-train that write its three records as one [set](CheckpointSet) per epoch.
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
    shared: Arc<Shared>,
}

/// A state that follows from the epoch.
type EpochState = Box<dyn Fn(usize) -> Result<Value, CheckpointError> + Send + Sync>;

/// The value that the best sets are found by, of an epoch.
type EpochMetric = Box<dyn Fn(usize) -> Option<f64> + Send + Sync>;

struct Shared {
    store: CheckpointStore,
    plan: Plan,
    targets: Vec<usize>,
    notes: Notes,
    lr: Mutex<Option<ModuleLrScheduler>>,
    state: Mutex<BTreeMap<String, Value>>,
    by_epoch: Mutex<BTreeMap<String, EpochState>>,
    metric: Mutex<Option<EpochMetric>>,
    epochs: Mutex<Epochs>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What burn-train asked for and is not done yet.
#[derive(Debug, Default)]
struct Epochs {
    /// Records of epochs whose other records are still to come.
    partial: BTreeMap<usize, BTreeMap<&'static str, Bytes>>,
    /// Epochs to remove once a newer set is good.
    to_remove: BTreeSet<usize>,
    /// Whether the last set that was to be written is there.
    written: bool,
}

impl SetCheckpointers {
    /// Checkpointers that write into `store`, for a run of `apollo`: of the one that is given or of a clone of it, before or
    /// after it takes up a set.
    pub fn new<M: Growable>(store: CheckpointStore, apollo: &Apollo<M>) -> Self {
        let (plan, targets) = (apollo.plan().clone(), apollo.targets().to_vec());
        let (lr, state, by_epoch, metric, epochs) = Default::default();
        let notes = apollo.notes();
        let shared = Shared { store, plan, targets, notes, lr, state, by_epoch, metric, epochs };
        Self { shared: Arc::new(shared) }
    }

    /// Lets every set from now on hold the learning rate that comes next, by a scheduler like the training's: a run that
    /// takes a set up with another rate is refused then, as in a hand-written loop.
    pub fn with_scheduler(self, scheduler: &ModuleLrScheduler) -> Self {
        *self.shared.lr.lock().unwrap_or_else(PoisonError::into_inner) = Some(scheduler.clone());
        self
    }

    /// Adds a state of your own to every set from now on, as [`Snapshot::with_state`] does: the configuration, say.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::State`] where JSON cannot hold it.
    pub fn with_state(
        self,
        name: &str,
        state: &(impl Serialize + ?Sized),
    ) -> Result<Self, CheckpointError> {
        let value = to_value(name, state)?;
        let mut states = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(name.to_owned(), value);
        drop(states);
        Ok(self)
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
        let value = move |epoch| to_value(&key, &state(epoch));
        let mut states = self.shared.by_epoch.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(name.to_owned(), Box::new(value));
        drop(states);
        self
    }

    /// Gives every set from now on the value that the best sets are found by: what `metric` says of an epoch, a validation
    /// loss for one, which the model's `InferenceStep` adds up in a handle of your own. burn-train validates an epoch before
    /// it saves it. Values that are not finite are left out.
    pub fn with_metric(
        self,
        metric: impl Fn(usize) -> Option<f64> + Send + Sync + 'static,
    ) -> Self {
        *self.shared.metric.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(metric));
        self
    }

    /// The checkpointer of the model's record.
    pub fn model(&self) -> RecordCheckpointer<ModuleRecord> {
        self.checkpointer()
    }

    /// The checkpointer of the optimizer's record.
    pub fn optim(&self) -> RecordCheckpointer<OptimizerRecord> {
        self.checkpointer()
    }

    /// The checkpointer of the learning-rate scheduler's record.
    pub fn scheduler(&self) -> RecordCheckpointer<LrSchedulerRecord> {
        self.checkpointer()
    }

    fn checkpointer<R>(&self) -> RecordCheckpointer<R> {
        RecordCheckpointer { shared: self.shared.clone(), record: PhantomData }
    }
}

/// One of the three [`SetCheckpointers`]. burn-train calls each from a thread of its own.
#[derive(Debug)]
pub struct RecordCheckpointer<R> {
    shared: Arc<Shared>,
    record: PhantomData<fn() -> R>,
}

/// A record of burn-train's and its file in a set.
pub trait SetRecord: Checkpoint + sealed::Sealed {
    /// The record's file.
    #[doc(hidden)]
    const FILE: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! set_record {
    ($record:ty, $file:ident) => {
        impl sealed::Sealed for $record {}
        impl SetRecord for $record {
            const FILE: &'static str = $file;
        }
    };
}

set_record!(ModuleRecord, MODEL);
set_record!(OptimizerRecord, OPTIM);
set_record!(LrSchedulerRecord, SCHEDULER);

impl<R: SetRecord> Checkpointer<R> for RecordCheckpointer<R> {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        self.shared.put(epoch, R::FILE, record.checkpoint_into_bytes()).map_err(unknown)
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        self.shared.remove_epoch(epoch).map_err(unknown)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        let bytes = self.shared.find(epoch).and_then(|set| set.read(R::FILE)).map_err(unknown)?;
        R::checkpoint_from_bytes(bytes).map_err(CheckpointerError::Record)
    }
}

impl Shared {
    /// Takes a record of an epoch; the last of its three writes the set.
    fn put(
        &self,
        epoch: usize,
        file: &'static str,
        record: Result<Bytes, RecordError>,
    ) -> Result<(), CheckpointError> {
        let (file, bytes) = encode(file, record)?;
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        let records = epochs.partial.entry(epoch).or_default();
        records.insert(file, bytes);
        let [Some(model), Some(optim), Some(scheduler)] =
            [MODEL, OPTIM, SCHEDULER].map(|file| records.get(file).cloned())
        else {
            return Ok(());
        };
        epochs.partial.remove(&epoch);
        epochs.written = false;
        let files = [(MODEL, model), (OPTIM, optim), (SCHEDULER, scheduler)];
        let (step, next_rate) = (step(&files[0].1)?, self.next_rate(&files[2].1));
        let snapshot = Snapshot::of_files(step, self.plan.clone(), self.targets.clone(), files)
            .with_note(self.notes.take(step), next_rate);
        let removed: BTreeSet<u64> =
            self.sets_of(&epochs.to_remove)?.into_iter().map(|(number, ..)| number).collect();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, value) in &*self.by_epoch.lock().unwrap_or_else(PoisonError::into_inner) {
            state.insert(name.clone(), value(epoch)?);
        }
        let mut snapshot = snapshot.with_states(state).with_epoch(epoch);
        let metric = self.metric.lock().unwrap_or_else(PoisonError::into_inner);
        let metric = metric.as_ref().and_then(|metric| metric(epoch)).filter(|x| x.is_finite());
        if let Some(metric) = metric {
            snapshot = snapshot.with_metric(metric)?;
        }
        self.store.save_keeping(snapshot, |good| {
            good.iter().map(|(number, _)| *number).filter(|n| !removed.contains(n)).collect()
        })?;
        epochs.to_remove.clear();
        epochs.written = true;
        Ok(())
    }

    /// The learning rate after a scheduler's record.
    fn next_rate(&self, record: &Bytes) -> Option<f64> {
        let scheduler = self.lr.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let record = LrSchedulerRecord::from_bytes(record.clone()).ok()?;
        next_rate(&scheduler.load_record(record))
    }

    /// Removes an epoch's sets, as soon as a newer one is there.
    fn remove_epoch(&self, epoch: usize) -> Result<(), CheckpointError> {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        epochs.to_remove.insert(epoch);
        if !epochs.partial.is_empty() || !epochs.written {
            return Ok(());
        }
        let newest = self.store.sets()?.last().map(|(number, _)| *number);
        let mut kept = BTreeSet::new();
        for (number, path, epoch) in self.sets_of(&epochs.to_remove)? {
            match Some(number) == newest {
                true => drop(kept.insert(epoch)),
                false => self.store.remove(&path)?,
            }
        }
        epochs.to_remove = kept;
        Ok(())
    }

    /// Number, folder and epoch of the sets of some epochs.
    fn sets_of(
        &self,
        epochs: &BTreeSet<usize>,
    ) -> Result<Vec<(u64, PathBuf, usize)>, CheckpointError> {
        let of_epoch = |(number, path): (u64, PathBuf)| {
            let epoch = read_manifest(&path).ok()?.epoch?;
            epochs.contains(&epoch).then_some((number, path, epoch))
        };
        Ok(self.store.sets()?.into_iter().filter_map(of_epoch).collect())
    }

    /// The newest good set of an epoch.
    fn find(&self, epoch: usize) -> Result<CheckpointSet, CheckpointError> {
        let mut damaged = Vec::new();
        for (_, path) in self.store.sets()?.into_iter().rev() {
            match CheckpointSet::open(&path) {
                Ok(set) if set.epoch() == Some(epoch) => return Ok(set),
                Ok(_) => {}
                Err(error) if error.is_damage() => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        let path = self.store.path().to_owned();
        Err(match damaged.is_empty() {
            true => CheckpointError::NoEpoch { path, epoch },
            false => CheckpointError::NoneGood { path, damaged },
        })
    }
}

/// Optimizer steps done, from a model's record.
fn step(model: &Bytes) -> Result<u64, CheckpointError> {
    let words = Pack::read(model).and_then(|pack| pack.progress_words());
    let step = words.and_then(|w| w.get(1).copied().ok_or_else(|| "it is empty".to_owned()));
    step.map_err(|message| CheckpointError::Misfit { file: MODEL, message })
}

/// burn-train shows the text alone, so the causes are in it.
fn unknown(error: CheckpointError) -> CheckpointerError {
    CheckpointerError::Unknown(chain(&error))
}
