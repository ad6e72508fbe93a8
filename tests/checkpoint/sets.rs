//! Checkpoint sets: what is kept, and what is refused.

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::noam::NoamLrSchedulerConfig;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn_apollo::checkpoint::{
    self, CheckpointError, CheckpointStore, FoundSet, Retention, Snapshot,
};
use burn_apollo::depth::Uniform;
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, growable};

use crate::folder::{Folder, after, apollo, load, plan, scheduler, snapshot};
use crate::support::{self, Net, adamw, bits, chain, device, spoil, stages};

#[test]
fn a_set_holds_the_whole_run() {
    let folder = Folder::new(Retention::default());
    assert!(folder.store.latest_good().unwrap().is_none());
    let (apollo, optim, scheduler) = after(6);
    let snapshot = Snapshot::new(&apollo, &optim, &scheduler)
        .and_then(|s| s.with_state("order", &vec![3, 1, 2]))
        .and_then(|s| s.with_metric(1.0 / 3.0))
        .unwrap();
    let report = folder.store.save(snapshot.with_epoch(2)).unwrap();
    assert_eq!(report.path, folder.dir.path().join("000001-step-6"));
    assert!(report.removed.is_empty() && report.not_removed.is_empty());
    let size = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().metadata().unwrap().len();
    assert_eq!(report.bytes, std::fs::read_dir(&report.path).unwrap().map(size).sum::<u64>());

    let FoundSet { set, stepped_over, .. } = folder.latest();
    assert!(stepped_over.is_empty());
    assert_eq!((set.step(), set.epoch(), set.metric()), (6, Some(2), Some(1.0 / 3.0)));
    assert_eq!(set.state::<Vec<i32>>("order").unwrap(), [3, 1, 2]);
    assert_eq!(set.plan(), apollo.plan());
    assert_eq!(bits(load(&set).model()), bits(apollo.model()));
    for (name, words) in [("data", "has order"), ("order", "invalid type")] {
        let error = set.state::<String>(name).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(words), "{error}");
    }
}

#[test]
fn the_newest_and_the_best_are_kept() {
    let folder = Folder::new(Retention::last(2).and_lowest(1));
    for (step, metric) in [(1, 3.0), (2, 1.0), (3, 2.0), (4, 2.5), (5, 2.5)] {
        folder.store.save(snapshot(step).with_metric(metric).unwrap()).unwrap();
    }
    assert_eq!(folder.sets(), ["000002-step-2", "000004-step-4", "000005-step-5"]);
    // A run that went back writes an earlier step: what was written last counts as the newest.
    let report = folder.store.save(snapshot(3)).unwrap();
    assert_eq!(report.removed, [folder.dir.path().join("000004-step-4")]);
    assert_eq!(folder.latest().set.step(), 3);
    // The best can be found again, and a folder looked at without being taken.
    let best = folder.store.best_good().unwrap().unwrap().set;
    assert_eq!((best.step(), best.metric()), (2, Some(1.0)));
    let looked = checkpoint::latest_good(folder.dir.path()).unwrap().unwrap().set;
    assert_eq!(looked.step(), 3);
    assert_eq!(bits(looked.load_model(apollo()).unwrap().model()), bits(load(&looked).model()));
    let metric = snapshot(1).with_metric(f64::NAN).unwrap_err();
    assert!(matches!(metric, CheckpointError::NotFinite { .. }));
    folder.store.clear().unwrap();
    assert!(folder.sets().is_empty() && folder.store.is_empty().unwrap());
    assert!(folder.store.best_good().unwrap().is_none());
}

#[test]
fn sets_of_other_runs_are_refused_by_name() {
    let folder = Folder::with(&[5]);
    let set = folder.latest().set;
    let refused =
        |apollo: Apollo<Net>, optim: ModuleOptimizer, lr: ModuleLrScheduler, words: &str| {
            let error = set.load(apollo, optim, lr).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(words), "{error} should contain {words}");
        };
    let with = |plan: Plan| support::apollo(6, plan);
    refused(with(plan().with_seed(4)), adamw(), scheduler(), "`seed` 3, this run has 4");
    refused(
        with(plan().with_sampler(Uniform)),
        adamw(),
        scheduler(),
        "`sampler` \"lvps\", this run has \"uniform\"",
    );
    let longer = Plan::new(50).with_schedule(stages(&[(1, 4), (3, 8)], 6)).with_seed(3);
    refused(with(longer.clone()), adamw(), scheduler(), "`steps` 40, this run has 50");
    refused(support::apollo(7, Plan::new(40)), adamw(), scheduler(), "this run has");
    let sgd = SgdConfig::new().init();
    refused(apollo(), sgd.clone(), scheduler(), "keeps `momentum.moment_1`, `momentum.moment_2`");
    // The first parameter by its id, which is drawn: a weight or a bias.
    let error = set.load(apollo(), sgd, scheduler()).map(|_| ()).unwrap_err().to_string();
    let of = |param: &str| error.contains(&format!("{param}`, this run's takes nothing of it"));
    assert!(of(".weight") || of(".bias"), "{error}");
    let noam = NoamLrSchedulerConfig::new(0.1).init().unwrap();
    refused(apollo(), adamw(), noam, "scheduler.bpk does not fit");

    // A longer run on purpose, with the same stages.
    let (longer, ..) =
        set.clone().allow_other_plan().load(with(longer), adamw(), scheduler()).unwrap();
    assert_eq!((longer.step_count(), longer.total_steps()), (5, 50));
    // Other layers never fit, nor do other parameters.
    let misfit = |error: CheckpointError, words: &str| {
        let error = chain(&error);
        assert!(error.contains(words), "{error} should contain {words}");
    };
    let other = Plan::new(40).with_schedule(stages(&[(2, 4), (4, 8)], 7));
    let error = set.clone().allow_other_plan().load_model(support::apollo(7, other)).unwrap_err();
    misfit(error, "the saved run had [1] layers");
    let other = Other { blocks: (0..6).map(|_| LinearConfig::new(2, 2).init(&device())).collect() };
    let error = set.clone().allow_other_plan().load_model(Apollo::new(other, plan()).unwrap());
    let error = error.unwrap_err();
    misfit(error, "model.bpk does not fit");
}

#[test]
fn weights_that_are_not_finite_never_replace_good_ones() {
    let folder = Folder::new(Retention::last(1));
    let (mut apollo, mut optim, scheduler) = after(5);
    folder.store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
    spoil(&mut apollo, &mut optim);
    let broken = Snapshot::new(&apollo, &optim, &scheduler).unwrap();
    let error = folder.store.save(broken.clone()).unwrap_err();
    assert!(matches!(error, CheckpointError::NotFinite { .. }), "{error}");
    assert!(error.to_string().contains("of model.bpk"), "{error}");
    assert_eq!(folder.latest().set.step(), 5);
    let folder = Folder {
        store: {
            drop(folder.store);
            reopen(&folder.dir).allow_not_finite()
        },
        ..folder
    };
    folder.store.save(broken).unwrap();
    assert_eq!(folder.latest().set.step(), 6);
}

/// Another model.
#[derive(Module, Debug)]
struct Other {
    blocks: LayerStack<Linear>,
}

growable!(Other { blocks });

fn reopen(dir: &tempfile::TempDir) -> CheckpointStore {
    CheckpointStore::open(dir.path(), Retention::last(1)).unwrap()
}

#[test]
fn a_folder_is_open_once_and_what_a_crash_left_is_cleared() {
    let folder = Folder::with(&[2]);
    let error = CheckpointStore::open(folder.dir.path(), Retention::default()).unwrap_err();
    let expected = Some(std::process::id());
    assert!(matches!(&error, CheckpointError::Locked { process, .. } if *process == expected));
    assert!(error.to_string().contains("already in use by process"), "{error}");
    drop(folder.store);

    for left in [".writing-000002-step-4", ".removing-000001-step-1"] {
        std::fs::create_dir(folder.dir.path().join(left)).unwrap();
        std::fs::write(folder.dir.path().join(left).join("model.bpk"), "half").unwrap();
    }
    std::fs::write(folder.dir.path().join("notes.txt"), "mine").unwrap();
    let folder = Folder { store: reopen(&folder.dir), dir: folder.dir };
    assert_eq!(folder.sets(), ["000001-step-2", "notes.txt"]);
    folder.store.save(snapshot(3)).unwrap();
    assert_eq!(folder.sets(), ["000002-step-3", "notes.txt"]);

    let in_file = folder.dir.path().join("notes.txt/checkpoints");
    let error = CheckpointStore::open(&in_file, Retention::default()).unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
}
