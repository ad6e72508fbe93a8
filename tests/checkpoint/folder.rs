//! A folder of sets for the tests, and a run to fill it.

use std::path::{Path, PathBuf};

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::ModuleOptimizer;
use burn_apollo::checkpoint::{CheckpointSet, CheckpointStore, FoundSet, Retention, Snapshot};
use burn_apollo::{Apollo, Plan};

use crate::support::{self, Net, adamw, device, stages, train};

pub fn plan() -> Plan {
    Plan::new(40).with_schedule(stages(&[(1, 4), (3, 8)], 6)).with_seed(3)
}

pub fn scheduler() -> ModuleLrScheduler {
    CosineAnnealingLrSchedulerConfig::new(0.01, 40).init().unwrap()
}

pub fn apollo() -> Apollo<Net> {
    support::apollo(6, plan())
}

/// A run after some steps.
pub fn after(steps: u64) -> (Apollo<Net>, ModuleOptimizer, ModuleLrScheduler) {
    let (mut optim, mut scheduler) = (adamw(), scheduler());
    let apollo = train(apollo(), &mut optim, steps);
    for _ in 0..steps {
        let _ = scheduler.step();
    }
    (apollo, optim, scheduler)
}

pub fn snapshot(steps: u64) -> Snapshot {
    let (apollo, optim, scheduler) = after(steps);
    Snapshot::new(&apollo, &optim, &scheduler).unwrap()
}

pub struct Folder {
    pub dir: tempfile::TempDir,
    pub store: CheckpointStore,
}

impl Folder {
    pub fn new(retention: Retention) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(dir.path(), retention).unwrap();
        Self { dir, store }
    }

    /// With one set after each of these numbers of steps.
    pub fn with(steps: &[u64]) -> Self {
        let folder = Self::new(Retention::last(9));
        steps.iter().for_each(|s| drop(folder.store.save(snapshot(*s)).unwrap()));
        folder
    }

    pub fn sets(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| n != ".lock");
        names.sort();
        names
    }

    pub fn latest(&self) -> FoundSet {
        self.store.latest_good().unwrap().unwrap()
    }

    pub fn file(&self, set: &str, name: &str) -> PathBuf {
        self.dir.path().join(set).join(name)
    }
}

pub fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    std::fs::write(path, bytes).unwrap();
}

pub fn load(set: &CheckpointSet) -> Apollo<Net> {
    set.load(Apollo::new(Net::random(6, &device()), plan()).unwrap(), adamw(), scheduler())
        .unwrap()
        .0
}
