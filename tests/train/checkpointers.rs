//! burn-train's three records as one set.

use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::Tensor;
use burn::train::checkpoint::{Checkpointer, CheckpointingStrategy, KeepLastNCheckpoints};
use burn::train::metric::LossMetric;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainStep};
use burn_apollo::checkpoint::{CheckpointError, CheckpointStore, Retention, Snapshot, latest_good};
use burn_apollo::data::{DataPosition, ShuffledLoader};
use burn_apollo::train::{LossRecorder, SetCheckpointers, Trainable};
use burn_apollo::{Apollo, Plan};

use crate::support::burn_train::{Rows, model, trained};
use crate::support::{Net, adamw, batch, bits, device, grads_of, record, spoil, stages};

fn loader(epochs_done: usize) -> Arc<dyn DataLoader<Tensor<2>>> {
    let rows = InMemDataset::new((0..20).collect());
    Arc::new(ShuffledLoader::new(rows, Rows, 4, position(epochs_done)).unwrap())
}

fn position(epochs_done: usize) -> DataPosition {
    DataPosition::after_epoch(5, epochs_done)
}

/// 20 optimizer steps in 4 epochs, growths before steps 6 and 12.
fn apollo() -> Apollo<Net> {
    let plan = Plan::new(20).with_schedule(stages(&[(1, 6), (3, 12)], 6)).with_seed(2);
    Apollo::new(Net::new(6, &device()), plan).unwrap()
}

fn scheduler() -> ModuleLrScheduler {
    CosineAnnealingLrSchedulerConfig::new(0.05, 20).init().unwrap()
}

fn store(dir: &Path) -> CheckpointStore {
    CheckpointStore::open(dir.join("sets"), Retention::default()).unwrap()
}

/// Trains up to the end of an epoch, from the newest good set; gives the epoch it went on from.
fn train(
    dir: &Path,
    epochs: usize,
    strategy: impl CheckpointingStrategy + 'static,
) -> (Apollo<Net>, usize) {
    let (mut apollo, mut optim, mut lr) = (apollo(), adamw(), scheduler());
    let store = store(dir);
    let latest = store.latest_good().unwrap();
    let checkpointers = SetCheckpointers::new(store, &apollo).with_state("note", "mine").unwrap();
    let checkpointers = checkpointers.with_epoch_state("data", position);
    let done = latest.as_ref().map_or(0, |l| l.set.epoch().unwrap());
    let mut training = SupervisedTraining::new(dir, loader(done), loader(0))
        .metrics((LossMetric::new(),))
        .with_application_logger(None)
        .with_custom_checkpointers(
            checkpointers.model(),
            checkpointers.optim(),
            checkpointers.scheduler(),
        )
        .with_checkpointing_strategy(strategy)
        .num_epochs(epochs);
    if let Some(latest) = latest {
        assert_eq!(latest.set.state::<String>("note").unwrap(), "mine");
        assert_eq!(latest.set.state::<DataPosition>("data").unwrap(), position(done));
        (apollo, optim, lr) = latest.set.load(apollo, optim, lr).unwrap();
        training = training.checkpoint(done);
    }
    let model = model(apollo, &training);
    (trained(training.launch(Learner::new(model, optim, lr))), done)
}

fn sets(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("sets")).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|n| !n.starts_with('.'));
    names.sort();
    names
}

#[test]
fn a_run_goes_on_from_its_newest_good_set() {
    let whole = tempfile::tempdir().unwrap();
    let (expected, _) = train(whole.path(), 4, KeepLastNCheckpoints::new(2));
    assert_eq!(sets(whole.path()), ["000003-step-15", "000004-step-20"]);

    for stop in 1..4 {
        let dir = tempfile::tempdir().unwrap();
        train(dir.path(), stop, KeepLastNCheckpoints::new(2));
        let (resumed, from) = train(dir.path(), 4, KeepLastNCheckpoints::new(2));
        assert_eq!(from, stop);
        assert_eq!(bits(resumed.model()), bits(expected.model()), "stopped after epoch {stop}");
    }

    // A damaged set is stepped over, and its epoch trained again.
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), 3, KeepLastNCheckpoints::new(2));
    let model = dir.path().join("sets/000003-step-15/model.bpk");
    let mut bytes = std::fs::read(&model).unwrap();
    bytes[4321] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    let (resumed, from) = train(dir.path(), 4, KeepLastNCheckpoints::new(2));
    assert_eq!(from, 2);
    assert_eq!(bits(resumed.model()), bits(expected.model()));
}

/// Called as burn-train calls them, each from a thread of its own: nothing is let go before a newer set is good.
#[test]
fn an_epoch_is_let_go_only_for_a_newer_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let (model, optim, lr) = (apollo(), adamw(), scheduler());
    let checkpointers = SetCheckpointers::new(store(dir.path()), &model);
    let (m, o, s) = (checkpointers.model(), checkpointers.optim(), checkpointers.scheduler());
    let record = || record(&model);
    m.save(1, record()).unwrap();
    s.save(1, lr.to_record()).unwrap();
    assert!(sets(dir.path()).is_empty(), "two records are no set");
    o.save(1, optim.to_record()).unwrap();
    assert_eq!(sets(dir.path()), ["000001-step-0"]);

    m.delete(1).unwrap();
    assert_eq!(sets(dir.path()).len(), 1, "the only set stays");
    m.save(2, record()).unwrap();
    m.delete(1).unwrap();
    o.save(2, optim.to_record()).unwrap();
    o.delete(1).unwrap();
    assert_eq!(sets(dir.path()).len(), 1);
    s.save(2, lr.to_record()).unwrap();
    assert_eq!(sets(dir.path()), ["000002-step-0"]);
    s.delete(1).unwrap();

    // The newest may be asked to go before a newer one comes, as the strategy for the best epoch does.
    [m.delete(2), o.delete(2), s.delete(2)].into_iter().for_each(Result::unwrap);
    assert_eq!(sets(dir.path()), ["000002-step-0"]);
    m.save(4, record()).unwrap();
    o.save(4, optim.to_record()).unwrap();
    s.save(4, lr.to_record()).unwrap();
    assert_eq!(sets(dir.path()), ["000003-step-0"]);
    m.restore(4).unwrap();
    let error = o.restore(1).unwrap_err().to_string();
    assert!(error.contains("no good checkpoint of epoch 1"), "{error}");

    // A write that fails lets nothing go, neither then nor afterwards.
    let broken = store_error(&m, &o, &s, &model);
    assert!(broken.contains("not finite"), "{broken}");
    m.delete(4).unwrap();
    o.delete(4).unwrap();
    assert_eq!(sets(dir.path()), ["000003-step-0"]);
    s.restore(4).unwrap();
}

/// A set of burn-train says as much of the run as one of a hand-written loop.
#[test]
fn a_set_holds_what_was_frozen_what_waits_and_what_trained() {
    let dir = tempfile::tempdir().unwrap();
    let losses = LossRecorder::default();
    let mut run = apollo();
    let input = run.model().frozen_input();
    *run.model_mut() = input;
    let checkpointers = SetCheckpointers::new(store(dir.path()), &run).with_scheduler(&scheduler());
    let (m, o, s) = (checkpointers.model(), checkpointers.optim(), checkpointers.scheduler());
    let (mut optim, mut lr) = (adamw(), scheduler());
    let mut model = Trainable::new(run, Interrupter::new()).with_losses(&losses);
    for step in 0..3 {
        let loss = model.apollo().model().loss(batch(step, &device()));
        let grads = grads_of(&loss, model.apollo());
        model = model.optimize(&mut optim, lr.step(), grads);
    }
    // As a model does in validation, at the end of an epoch.
    losses.measure("valid", 0.5);
    m.save(1, model.clone().into_record()).unwrap();
    o.save(1, optim.to_record()).unwrap();
    s.save(1, lr.to_record()).unwrap();

    let set = latest_good(dir.path().join("sets")).unwrap().unwrap().set;
    let (loaded, ..) = set.load(apollo(), adamw(), scheduler()).unwrap();
    assert!(!loaded.model().input_is_trained() && apollo().model().input_is_trained());
    // What waits is still there after burn-train loaded the record once more.
    let again = Trainable::new(loaded.clone(), Interrupter::new());
    let again = again.try_load_record(m.restore(1).unwrap()).unwrap().into_apollo().unwrap();
    for run in [loaded, again] {
        let manifest = manifest_of(&run);
        assert_eq!(manifest["measurements"][0]["name"], "valid");
        assert_eq!(manifest["frozen"]["params"], serde_json::json!(["input.weight", "input.bias"]));
    }
    let other = SgdConfig::new().init();
    let error = set.load(apollo(), other, scheduler()).err().unwrap().to_string();
    assert!(error.contains("this run's takes nothing"), "{error}");
    let other = CosineAnnealingLrSchedulerConfig::new(0.04, 20).init().unwrap();
    let error = set.load(apollo(), adamw(), other).err().unwrap();
    assert!(
        matches!(&error, CheckpointError::OtherRun { setting, .. } if setting.ends_with("step 3")),
        "{error}"
    );
}

/// The manifest of the set that a run would write now.
fn manifest_of(run: &Apollo<Net>) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = Snapshot::new(run, &adamw(), &scheduler()).unwrap();
    let path = store(dir.path()).save(snapshot).unwrap().path;
    serde_json::from_slice(&std::fs::read(path.join("manifest.json")).unwrap()).unwrap()
}

/// Saves epoch 5 with weights that are not finite.
fn store_error(
    m: &impl Checkpointer<burn::store::ModuleRecord>,
    o: &impl Checkpointer<burn::optim::OptimizerRecord>,
    s: &impl Checkpointer<burn::lr_scheduler::LrSchedulerRecord>,
    model: &Apollo<Net>,
) -> String {
    let (mut model, mut optim, lr) = (model.clone(), adamw(), scheduler());
    spoil(&mut model, &mut optim);
    m.save(5, record(&model)).unwrap();
    o.save(5, optim.to_record()).unwrap();
    s.save(5, lr.to_record()).unwrap_err().to_string()
}
