//! [`ShuffledLoader`] inside burn-train: a resumed run sees the items that it would have seen.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};
use burn::train::{
    ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining, TrainingStrategy,
};
use burn_apollo::data::{DataPosition, ShuffledLoader, permutation};
use burn_apollo::train::optimizer_steps;
use burn_apollo::{Apollo, Plan};

use crate::support::burn_train::{Model, Rows, model, trained};
use crate::support::{Net, bits, device, stages};

const ITEMS: usize = 42;
const BATCH: usize = 4;
const EPOCHS: usize = 4;
const SEED: u64 = 9;

/// The items of all batches, in the order in which they were made.
type Seen = Arc<Mutex<Vec<usize>>>;

/// Rows that remember which of them were asked for.
struct Watched(Seen);

impl Batcher<usize, Tensor<2>> for Watched {
    fn batch(&self, items: Vec<usize>, device: &Device) -> Tensor<2> {
        self.0.lock().unwrap().extend(&items);
        Rows.batch(items, device)
    }
}

type Loader = Arc<dyn DataLoader<Tensor<2>>>;
type Training = SupervisedTraining<Model>;

fn dataset() -> InMemDataset<usize> {
    InMemDataset::new((0..ITEMS).collect())
}

fn shuffled(position: DataPosition, seen: &Seen) -> Loader {
    Arc::new(ShuffledLoader::new(dataset(), Watched(seen.clone()), BATCH, position).unwrap())
}

fn learner(training: &Training) -> Learner<Model> {
    let plan = Plan::new(44).with_schedule(stages(&[(1, 12), (3, 25)], 6));
    let apollo = Apollo::new(Net::new(6, &device()), plan).unwrap();
    let scheduler = CosineAnnealingLrSchedulerConfig::new(0.01, 44).init().unwrap();
    Learner::new(model(apollo, training), AdamWConfig::new().init(), scheduler)
}

fn training(dir: &Path, train: Loader) -> Training {
    let valid = DataLoaderBuilder::new(Rows).batch_size(BATCH).build(dataset());
    SupervisedTraining::new(dir, train, valid)
        .num_epochs(EPOCHS)
        .with_application_logger(None)
        .with_default_checkpointers()
}

struct Run {
    seen: Vec<usize>,
    steps: u64,
    bits: BTreeMap<String, Vec<u32>>,
}

fn run(training: impl FnOnce(Loader) -> Training, position: DataPosition) -> Run {
    let seen = Seen::default();
    let training = training(shuffled(position, &seen));
    let learner = learner(&training);
    let apollo = trained(training.launch(learner));
    let seen = seen.lock().unwrap().clone();
    Run { seen, steps: apollo.step_count(), bits: bits(apollo.model()) }
}

fn whole(strategy: fn(Training) -> Training) -> Run {
    let dir = tempfile::tempdir().unwrap();
    run(|train| strategy(training(dir.path(), train)), DataPosition::start(SEED))
}

/// Stops after an epoch and goes on from its checkpoint, with the data from `position`.
fn resumed(strategy: fn(Training) -> Training, epoch: usize, position: DataPosition) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let training = |train| strategy(training(dir.path(), train));
    run(|train| training(train).num_epochs(epoch), DataPosition::start(SEED));
    run(|train| training(train).checkpoint(epoch), position)
}

fn single_device(training: Training) -> Training {
    training
}

fn two_devices(training: Training) -> Training {
    let devices = vec![Device::flex(), Device::flex()];
    let strategy = ExecutionStrategy::MultiDevice(devices, MultiDeviceOptim::OptimMainDevice);
    training.with_training_strategy(TrainingStrategy::Default(strategy))
}

#[test]
fn a_resumed_run_equals_the_uninterrupted_one() {
    let whole = whole(single_device);
    let epochs: Vec<Vec<usize>> =
        (0..EPOCHS as u64).map(|epoch| permutation(ITEMS, SEED, epoch)).collect();
    assert_eq!(whole.seen, epochs.concat());
    assert!(epochs.windows(2).all(|pair| pair[0] != pair[1]), "each epoch has its own order");

    for epoch in 1..EPOCHS {
        let resumed = resumed(single_device, epoch, DataPosition::after_epoch(SEED, epoch));
        assert_eq!(resumed.seen, epochs[epoch..].concat());
        assert_eq!(resumed.steps, whole.steps);
        assert_eq!(resumed.bits, whole.bits, "stopped after epoch {epoch}");
    }
}

/// What Burn's own loader does: the comparison of bits must notice it.
#[test]
fn a_run_that_sees_the_first_order_again_is_another_run() {
    let again = resumed(single_device, 2, DataPosition::start(SEED));
    assert_eq!(again.seen[..ITEMS], permutation(ITEMS, SEED, 0));
    assert_ne!(again.bits, whole(single_device).bits);
}

#[test]
fn gradient_accumulation_ends_with_the_epoch() {
    let run = whole(|training| training.grads_accumulation(3));
    assert_eq!(run.steps, 16, "3, 3, 3 and 2 of the 11 batches of an epoch");
    assert_eq!(run.steps, optimizer_steps(EPOCHS, ITEMS, BATCH, 3));
}

#[test]
fn several_devices_share_each_epoch_out() {
    let whole = whole(two_devices);
    for epoch in whole.seen.chunks(ITEMS) {
        let mut items = epoch.to_vec();
        items.sort_unstable();
        assert!(items.into_iter().eq(0..ITEMS));
    }
    let resumed = resumed(two_devices, 2, DataPosition::after_epoch(SEED, 2));
    assert_eq!(resumed.seen, whole.seen[2 * ITEMS..]);
    assert_eq!(resumed.steps, whole.steps);
}
