//! Checkpoint sets: what is kept, what is noticed, what is refused.

use std::path::{Path, PathBuf};

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::noam::NoamLrSchedulerConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn_apollo::checkpoint::{
    self, CheckpointError, CheckpointSet, CheckpointStore, Damage, LatestGood, Retention, Snapshot,
};
use burn_apollo::depth::{ConstantHigh, ConstantLow, Lvps, Sigmoid, Uniform};
use burn_apollo::expand::{Interpolation, MiddleStacking, Stacking};
use burn_apollo::schedule::{FixedPolicy, LossPlateau};
use burn_apollo::{Apollo, Plan};
use crate::support::{Net, adamw, bits, device, stages, train};

fn plan() -> Plan {
    Plan::new(40).with_schedule(stages(&[(1, 4), (3, 8)], 6)).with_seed(3)
}

fn scheduler() -> ModuleLrScheduler {
    CosineAnnealingLrSchedulerConfig::new(0.01, 40).init().unwrap()
}

fn apollo() -> Apollo<Net> {
    crate::support::apollo(6, plan())
}

/// A run after some steps.
fn after(steps: u64) -> (Apollo<Net>, ModuleOptimizer, ModuleLrScheduler) {
    let (mut optim, mut scheduler) = (adamw(), scheduler());
    let apollo = train(apollo(), &mut optim, steps);
    for _ in 0..steps {
        let _ = scheduler.step();
    }
    (apollo, optim, scheduler)
}

fn snapshot(steps: u64) -> Snapshot {
    let (apollo, optim, scheduler) = after(steps);
    Snapshot::new(&apollo, &optim, &scheduler).unwrap()
}

struct Folder {
    dir: tempfile::TempDir,
    store: CheckpointStore,
}

impl Folder {
    fn new(retention: Retention) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(dir.path(), retention).unwrap();
        Self { dir, store }
    }

    /// With one set after each of these numbers of steps.
    fn with(steps: &[u64]) -> Self {
        let folder = Self::new(Retention::last(9));
        steps.iter().for_each(|s| drop(folder.store.save(snapshot(*s)).unwrap()));
        folder
    }

    fn sets(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| n != ".lock");
        names.sort();
        names
    }

    fn latest(&self) -> LatestGood {
        self.store.latest_good().unwrap().unwrap()
    }

    fn file(&self, set: &str, name: &str) -> PathBuf {
        self.dir.path().join(set).join(name)
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    std::fs::write(path, bytes).unwrap();
}

fn load(set: &CheckpointSet) -> Apollo<Net> {
    set.load(Apollo::new(Net::random(6, &device()), plan()).unwrap(), adamw(), scheduler())
        .unwrap()
        .0
}

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

    let LatestGood { set, stepped_over } = folder.latest();
    assert!(stepped_over.is_empty());
    assert_eq!((set.step(), set.epoch(), set.metric()), (6, Some(2), Some(1.0 / 3.0)));
    assert_eq!(set.state::<Vec<i32>>("order").unwrap(), [3, 1, 2]);
    assert_eq!(set.plan(), &apollo.describe());
    assert_eq!(bits(&load(&set)), bits(&apollo));
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
    assert_eq!(bits(&looked.load_model(apollo()).unwrap()), bits(&load(&looked)));
    let metric = snapshot(1).with_metric(f64::NAN).unwrap_err();
    assert!(matches!(metric, CheckpointError::NotFinite { .. }));
    folder.store.clear().unwrap();
    assert!(folder.sets().is_empty() && folder.store.is_empty().unwrap());
    assert!(folder.store.best_good().unwrap().is_none());
}

#[test]
fn damaged_sets_are_stepped_over_and_told() {
    let folder = Folder::with(&[2, 5, 9]);
    flip(&folder.file("000003-step-9", "optim.bpk"), 1000);
    std::fs::remove_file(folder.file("000002-step-5", "model.bpk")).unwrap();
    let LatestGood { set, stepped_over } = folder.latest();
    assert_eq!(set.step(), 2);
    let told: Vec<String> = stepped_over.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("000003-step-9") && told[0].contains("optim.bpk does not have its"));
    assert!(told[1].contains("000002-step-5") && told[1].contains("model.bpk is missing"));

    // Damaged sets are not what retention keeps, and a good one stays beside the new one.
    drop(folder.store);
    let store = CheckpointStore::open(folder.dir.path(), Retention::last(2)).unwrap();
    store.latest_good().unwrap();
    store.save(snapshot(3)).unwrap();
    let folder = Folder { store, ..folder };
    assert!(folder.sets().contains(&"000001-step-2".to_owned()), "{:?}", folder.sets());
    folder.store.save(snapshot(4)).unwrap();
    assert_eq!(folder.sets(), ["000004-step-3", "000005-step-4"]);

    for set in folder.sets() {
        flip(&folder.file(&set, "SHA256SUMS"), 5);
    }
    let error = folder.store.latest_good().unwrap_err();
    let CheckpointError::NoneGood { damaged, .. } = &error else { panic!("{error}") };
    assert_eq!(damaged.len(), 2);
    assert!(error.to_string().contains("none of the 2 checkpoints is good"), "{error}");
}

/// Every flip is detected: each byte of the small files, and bytes spread over the records.
#[test]
fn a_flip_anywhere_is_detected() {
    let folder = Folder::with(&[9]);
    let set = folder.latest().set.path().to_owned();
    let mut flips = 0;
    for name in ["manifest.json", "SHA256SUMS", "scheduler.bpk", "model.bpk", "optim.bpk"] {
        let (path, whole) = (set.join(name), std::fs::read(set.join(name)).unwrap());
        let stride = whole.len().div_ceil(2500);
        for at in (0..whole.len()).step_by(stride) {
            flip(&path, at);
            let error = CheckpointSet::open(&set).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{name} at {at}: {error}");
            std::fs::write(&path, &whole).unwrap();
            flips += 1;
        }
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(CheckpointSet::open(&set).is_err(), "{name} cut to {length}");
        }
        std::fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
        assert!(CheckpointSet::open(&set).is_err(), "{name} with a byte more");
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(flips > 5000, "{flips}");
    CheckpointSet::open(&set).unwrap();
}

#[test]
fn what_is_no_regular_file_is_not_followed() {
    let damage = |spoil: &dyn Fn(&Path)| {
        let folder = Folder::with(&[3]);
        let set = folder.latest().set.path().to_owned();
        spoil(&set);
        match CheckpointSet::open(&set).unwrap_err() {
            CheckpointError::Damaged { file, damage, .. } => (file, damage),
            other => panic!("{other}"),
        }
    };
    let not_a_file = |name: &str| (name.to_owned(), Damage::NotAFile);
    #[cfg(unix)]
    assert_eq!(
        damage(&|set| {
            std::fs::rename(set.join("model.bpk"), set.join("elsewhere")).unwrap();
            std::os::unix::fs::symlink(set.join("elsewhere"), set.join("model.bpk")).unwrap();
        }),
        not_a_file("model.bpk")
    );
    assert_eq!(
        damage(&|set| {
            std::fs::remove_file(set.join("SHA256SUMS")).unwrap();
            std::fs::create_dir(set.join("SHA256SUMS")).unwrap();
        }),
        not_a_file("SHA256SUMS")
    );
    let (file, wrong) = damage(&|set| {
        let sums = std::fs::read_to_string(set.join("SHA256SUMS")).unwrap();
        std::fs::write(set.join("SHA256SUMS"), sums.replace("model.bpk", "../../etc/passwd"))
            .unwrap();
    });
    assert_eq!(file, "SHA256SUMS");
    assert!(wrong.to_string().contains("unknown file"), "{wrong}");
    // A file that claims to be enormous takes no memory: its length is compared first.
    let (file, wrong) = damage(&|set| {
        let model = std::fs::File::options().write(true).open(set.join("model.bpk")).unwrap();
        model.set_len(1 << 40).unwrap();
    });
    assert_eq!((file.as_str(), matches!(wrong, Damage::Length { .. })), ("model.bpk", true));
    let (file, wrong) = damage(&|set| {
        let sums = std::fs::File::options().write(true).open(set.join("SHA256SUMS")).unwrap();
        sums.set_len(1 << 40).unwrap();
    });
    assert_eq!((file.as_str(), matches!(wrong, Damage::TooLarge { .. })), ("SHA256SUMS", true));
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
    let with = |plan: Plan| crate::support::apollo(6, plan);
    refused(with(plan().with_seed(4)), adamw(), scheduler(), "`seed` 3, this run has 4");
    refused(with(plan().with_sampler(Uniform)), adamw(), scheduler(), "`sampler` \"Lvps");
    let longer = Plan::new(50).with_schedule(stages(&[(1, 4), (3, 8)], 6)).with_seed(3);
    refused(with(longer.clone()), adamw(), scheduler(), "`ends`");
    refused(crate::support::apollo(7, Plan::new(40)), adamw(), scheduler(), "this run has");
    refused(apollo(), SgdConfig::new().init(), scheduler(), "optim.bpk does not fit");
    let noam = NoamLrSchedulerConfig::new(0.1).init().unwrap();
    refused(apollo(), adamw(), noam, "scheduler.bpk does not fit");

    // A longer run on purpose, with the same stages.
    let (longer, ..) =
        set.clone().allow_other_plan().load(with(longer), adamw(), scheduler()).unwrap();
    assert_eq!((longer.step_count(), longer.total_steps()), (5, 50));
    // Another number of layers never fits.
    let other =
        crate::support::apollo(7, Plan::new(40).with_schedule(stages(&[(2, 4), (4, 8)], 7)));
    let error = set.clone().allow_other_plan().load(other, adamw(), scheduler()).map(|_| ());
    assert!(error.unwrap_err().to_string().contains("model.bpk does not fit"));
}

/// Plans are told apart by what samplers, expanders and policies print: a change makes every checkpoint another plan's.
#[test]
fn descriptions_are_kept() {
    let found = [
        format!("{:?}", Lvps::default()),
        format!("{:?} {:?} {:?} {:?}", Uniform, Sigmoid, ConstantHigh, ConstantLow),
        format!("{:?} {:?} {:?}", Interpolation, Stacking, MiddleStacking::new(2).unwrap()),
        format!("{:?} {:?}", FixedPolicy, LossPlateau::new(7).unwrap()),
    ];
    let expected = [
        "Lvps { excess: 0.4, end: 0.6, x_min: 1e-6 }",
        "Uniform Sigmoid ConstantHigh ConstantLow",
        "Interpolation Stacking MiddleStacking { block: 2 }",
        "FixedPolicy LossPlateau { patience: 7, threshold: 0.005, smoothing: 0.9 }",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_later_version_is_an_error_and_not_a_damage() {
    let folder = Folder::with(&[2, 5]);
    let manifest = folder.file("000002-step-5", "manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert!(folder.store.latest_good().unwrap().unwrap().set.step() == 2, "its checksum is wrong");
    let status = std::process::Command::new("sh")
        .args(["-c", "sha256sum model.bpk optim.bpk scheduler.bpk manifest.json > SHA256SUMS"])
        .current_dir(manifest.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    let error = folder.store.latest_good().unwrap_err();
    assert!(matches!(error, CheckpointError::Version { found: 2, known: 1, .. }));
    assert!(error.to_string().contains("use a newer burn-apollo"), "{error}");
}

#[test]
fn weights_that_are_not_finite_never_replace_good_ones() {
    let folder = Folder::new(Retention::last(1));
    let (mut apollo, mut optim, scheduler) = after(5);
    folder.store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
    (apollo, _) = crate::support::train_step(apollo, &mut optim, f64::NAN);
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
