//! burn-train's `MultiDevice` over the CPU devices of two hosts, in both optimizer modes: one depth per step on both, the same
//! new ids, and in the end the model of one device with batches of twice the size.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::ParamId;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::{
    ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining, TrainingStrategy,
};
use burn_apollo::checkpoint::{CheckpointStore, Retention};
use burn_apollo::train::SetCheckpointers;
use burn_apollo::{Apollo, Plan};
use remote::Token;

use crate::server::{Server, connected, token};
use crate::support::burn_train::{Growths, Rows, model, trained};
use crate::support::{Net, parameters, stages};

/// Of an epoch; there are four, with growths in the middle of the second and of the third.
const STEPS: usize = 5;
const GROWTHS: [u64; 2] = [7, 13];

fn apollo(net: &Net) -> Apollo<Net> {
    let plan = Plan::new(20).with_schedule(stages(&[(1, 7), (3, 13)], 6)).with_seed(2);
    Apollo::new(net.clone(), plan).unwrap()
}

/// Nothing beside the root of the squares: gradients that are twice as large make the same step.
fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().with_epsilon(1e-12).init()
}

/// The rows of every epoch. Of several devices each takes a part that follows on the other's, so the one device has them in
/// the order in which the two come to them.
fn loader(devices: usize) -> Arc<dyn DataLoader<Tensor<2>>> {
    let half = 2 * STEPS;
    let rows: Vec<usize> = match devices {
        1 => (0..STEPS).flat_map(|s| [2 * s, 2 * s + 1, half + 2 * s, half + 2 * s + 1]).collect(),
        _ => (0..2 * half).collect(),
    };
    DataLoaderBuilder::new(Rows).batch_size(4 / devices).build(InMemDataset::new(rows))
}

fn valid() -> Arc<dyn DataLoader<Tensor<2>>> {
    DataLoaderBuilder::new(Rows).batch_size(4).build(InMemDataset::new((0..4).collect()))
}

/// Trains up to the end of an epoch, from the folder's newest set; gives the run and the depth of each step.
fn train(
    net: &Net,
    dir: &Path,
    strategy: ExecutionStrategy,
    devices: usize,
    epochs: usize,
) -> (Apollo<Net>, Vec<usize>) {
    let (mut apollo, mut optim) = (apollo(net), adamw());
    let mut lr: ModuleLrScheduler = apollo.plan().lr.scheduler(0.01, 20).unwrap();
    let store = CheckpointStore::open(dir.join("sets"), Retention::default()).unwrap();
    let latest = store.latest_good().unwrap();
    let sets = SetCheckpointers::new(store, &apollo).with_scheduler(&lr);
    let mut training = SupervisedTraining::new(dir, loader(devices), valid())
        .with_application_logger(None)
        .with_custom_checkpointers(sets.model(), sets.optim(), sets.scheduler())
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .with_training_strategy(TrainingStrategy::Default(strategy))
        .num_epochs(epochs);
    let mut done = 0;
    if let Some(latest) = latest {
        done = latest.set.epoch().unwrap();
        (apollo, optim, lr) = latest.set.load(apollo, optim, lr).unwrap();
        training = training.checkpoint(done);
    }
    let ran = apollo.model().ran.clone();
    let before = ran.depths().len();
    let growths = Growths::default();
    let model = growths.observed(model(apollo, &training));
    let apollo = trained(training.launch(Learner::new(model, optim, lr)));
    let steps = (done * STEPS) as u64..(epochs * STEPS) as u64;
    let expected: Vec<u64> = GROWTHS.into_iter().filter(|step| steps.contains(step)).collect();
    assert_eq!(growths.steps(), expected, "each growth once");
    let all = ran.depths().split_off(before);
    assert_eq!(all.len(), devices * (epochs - done) * STEPS);
    let depths = all.chunks(devices).map(|depths| {
        assert!(depths.iter().all(|depth| *depth == depths[0]), "{all:?}");
        depths[0]
    });
    (apollo, depths.collect())
}

type Parameters = BTreeMap<String, (ParamId, Vec<u32>)>;

fn close(found: &Parameters, expected: &Parameters, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for ((path, (id, found)), (same, (other, expected))) in found.iter().zip(expected) {
        assert_eq!((path, id), (same, other), "{what}: paths and ids");
        for (a, b) in found.iter().zip(expected) {
            let (a, b) = (f32::from_bits(*a), f32::from_bits(*b));
            assert!((a - b).abs() < 2e-5, "{what}: {path}: {a} against {b}");
        }
    }
}

#[test]
fn two_remote_devices_train_the_model_of_one() {
    let scratch = tempfile::tempdir().unwrap();
    let token = token(scratch.path(), "token");
    let servers = [(); 2].map(|()| Server::start(&token, &["--websocket"]));
    let token = Token::read(&token).unwrap();
    let devices = servers.each_ref().map(|server| connected(&server.host, &token));
    // Ids are drawn once, so that those of the copies can be compared.
    let net = Net::new(6, &Device::flex().autodiff());
    let dir = |name: &str| scratch.path().join(name);

    let one = ExecutionStrategy::single(Device::flex().autodiff());
    let (alone, depths) = train(&net, &dir("one"), one, 1, 4);
    let expected = parameters(alone.model());
    assert!(depths.iter().any(|depth| *depth != depths[0]), "{depths:?}");

    for optim in [MultiDeviceOptim::OptimMainDevice, MultiDeviceOptim::OptimSharded] {
        let name = format!("{optim:?}");
        let both = || ExecutionStrategy::multi(devices.to_vec(), optim);
        let (whole, found) = train(&net, &dir(&name), both(), 2, 4);
        assert_eq!(found, depths, "{name}: depths");
        assert_eq!((whole.step_count(), whole.unique_layers()), (20, 6), "{name}");
        let whole = parameters(whole.model());
        close(&whole, &expected, &name);

        // Stopped after each epoch and taken up again: before, between and after the growths.
        let mut resumed = Vec::new();
        let parts = dir(&format!("{name}-parts"));
        for epoch in 1..4 {
            resumed.extend(train(&net, &parts, both(), 2, epoch).1);
        }
        let (last, more) = train(&net, &parts, both(), 2, 4);
        resumed.extend(more);
        assert_eq!(resumed, depths, "{name}, resumed: depths");
        close(&parameters(last.model()), &whole, &format!("{name}, resumed"));
    }
}
