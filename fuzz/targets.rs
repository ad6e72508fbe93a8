//! What hostile bytes are fed to: by the fuzzer, and by the property tests in `tests/hostile.rs`. Each must return: a
//! panic or an abort is a finding.
#![allow(dead_code)] // every target uses a part of it

use std::fmt::Write;
use std::fs;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet, Restored};
use burn_apollo::policy::LossPlateau;
use burn_apollo::schedule::Schedule;
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, growable};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A residual network of four layers, as small as can be.
#[derive(Module, Debug)]
pub struct Tiny {
    pub blocks: LayerStack<Linear>,
    head: Linear,
}

growable!(Tiny { blocks });

impl Tiny {
    pub fn new(device: &Device) -> Self {
        let linear = |to| LinearConfig::new(2, to).init(device);
        Self { blocks: (0..4).map(|_| linear(2)).collect(), head: linear(1) }
    }

    /// Mean squared error against the sum of the inputs, `[1]`.
    pub fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let hidden = self.blocks.iter().fold(x.clone(), |x, l| x.clone() + l.forward(x).tanh());
        (self.head.forward(hidden) - x.sum_dim(1)).powi_scalar(2).mean()
    }
}

/// The run whose checkpoints are kept in `tests/data/checkpoint-v1` and `-v2`: 20 steps, 1 → 2 → 4 layers.
pub fn fresh(device: &Device) -> Restored<Tiny> {
    let policy = LossPlateau::new(15).expect("a valid patience");
    let plan = Plan::new(20).with_policy(policy).with_seed(11);
    (Apollo::new(Tiny::new(device), plan).expect("a valid plan"), optim(), scheduler())
}

fn optim() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

fn scheduler() -> ModuleLrScheduler {
    let (warm_up, rest) = (
        LinearLrSchedulerConfig::new(0.001, 0.01, 2),
        CosineAnnealingLrSchedulerConfig::new(0.01, 18),
    );
    SequentialLrSchedulerConfig::new(vec![warm_up.into(), rest.into()], vec![2])
        .init()
        .expect("a valid schedule")
}

/// Files of a checkpoint by name.
pub type Sample = [(&'static str, &'static [u8]); 4];

macro_rules! sample {
    ($folder:literal) => {
        [
            ("manifest.json", include_bytes!(concat!("../tests/data/", $folder, "/manifest.json"))),
            ("model.bpk", include_bytes!(concat!("../tests/data/", $folder, "/model.bpk"))),
            ("optim.bpk", include_bytes!(concat!("../tests/data/", $folder, "/optim.bpk"))),
            ("scheduler.bpk", include_bytes!(concat!("../tests/data/", $folder, "/scheduler.bpk"))),
        ]
    };
}

/// The checkpoint of each version of the format, which every later version reads.
pub const SAMPLES: [Sample; 2] = [sample!("checkpoint-v1"), sample!("checkpoint-v2")];

/// Panics that the library catches and turns into errors are no findings: only the fuzzer's own hook takes them for
/// that.
pub fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Schedule files, in TOML and JSON. Says whether there is a schedule in them.
pub fn schedule(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let parsed = [toml::from_str::<Schedule>(text).ok(), serde_json::from_str(text).ok()];
    let mut found = false;
    for schedule in parsed.into_iter().flatten() {
        found = true;
        for (steps, targets) in [(0, &[4][..]), (1000, &[12]), (u64::MAX, &[12, 4]), (7, &[])] {
            let Ok(timeline) = schedule.timeline(steps, targets) else { continue };
            assert_eq!(timeline.layers(timeline.stages() - 1), targets);
            assert_eq!(timeline.steps(), steps);
            let ends: Vec<u64> = (0..timeline.stages()).map(|s| timeline.end(s)).collect();
            assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
        }
        let written = toml::to_string(&schedule).expect("a schedule can be written");
        assert_eq!(toml::from_str::<Schedule>(&written).ok(), Some(schedule));
    }
    found
}

/// Plan files, in TOML and JSON. Says whether there is a plan in them.
pub fn plan(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let parsed = [toml::from_str::<Plan>(text).ok(), serde_json::from_str(text).ok()];
    let mut found = false;
    for plan in parsed.into_iter().flatten() {
        found = true;
        for targets in [&[4][..], &[12], &[12, 4], &[]] {
            let _ = (plan.check(targets), plan.cautions(), plan.lr.scheduler(0.01, 100));
        }
        let _ = Apollo::new(Tiny::new(&Device::flex()), plan.clone());
        let written = serde_json::to_string(&plan).expect("a plan can be written");
        assert_eq!(serde_json::from_str::<Plan>(&written).ok(), Some(plan));
    }
    found
}

/// Manifests and lists of checksums, in turns, of either version of the format. The first byte says which: a manifest
/// comes with its true checksum. Says whether the set loads.
pub fn manifest(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else { return false };
    let sample = &SAMPLES[usize::from(kind / 2 % 2)];
    let (_dir, opened) = match kind % 2 {
        0 => open_with(sample, &[("manifest.json", data)], None),
        _ => open_with(sample, &[], Some(data)),
    };
    opened.is_ok_and(|set| {
        let _ = (set.state::<serde_json::Value>("data"), set.plan(), set.metric());
        let _ = loads(&set.clone().allow_other_plan());
        loads(&set)
    })
}

/// As [`records`]; what loads must train on, too.
pub fn records_that_train(data: &[u8]) -> bool {
    let device = Device::flex().autodiff();
    let (_dir, set) = with_record(data);
    let Some(set) = set else { return false };
    let (apollo, optim, scheduler) = fresh(&device);
    let Ok((mut apollo, mut optim, mut scheduler)) = set.load(apollo, optim, scheduler) else {
        return false;
    };
    let loss = apollo.model().loss(Tensor::ones([3, 2], &device));
    let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
    let _ = apollo.update(&mut optim, scheduler.step(), grads);
    true
}

fn loads(set: &CheckpointSet) -> bool {
    // Without autodiff, which keeps a little memory for every parameter that is ever loaded.
    let (apollo, optim, scheduler) = fresh(&Device::flex());
    set.load(apollo, optim, scheduler).is_ok()
}

/// Records of either version of the format, each with its true length and checksum. The first byte says which. Says whether the set loads.
pub fn records(data: &[u8]) -> bool {
    let (_dir, set) = with_record(data);
    set.is_some_and(|set| loads(&set))
}

fn with_record(data: &[u8]) -> (Option<TempDir>, Option<CheckpointSet>) {
    let Some((kind, data)) = data.split_first() else { return (None, None) };
    let sample = &SAMPLES[usize::from(kind / 3 % 2)];
    let file = ["model.bpk", "optim.bpk", "scheduler.bpk"][usize::from(kind % 3)];
    let mut manifest: serde_json::Value =
        serde_json::from_slice(sample[0].1).expect("the sample is JSON");
    manifest["files"][file] = data.len().into();
    let manifest = manifest.to_string();
    let files = [(file, data), ("manifest.json", manifest.as_bytes())];
    let (dir, set) = open_with(sample, &files, None);
    (Some(dir), Some(set.expect("checksum and length are right")))
}

/// A sample with other files in place of its own, and checksums to match unless `sums` are given. The folder lasts as
/// long as what is returned.
fn open_with(
    sample: &Sample,
    files: &[(&str, &[u8])],
    sums: Option<&[u8]>,
) -> (TempDir, Result<CheckpointSet, CheckpointError>) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut lines = String::new();
    for (name, own) in *sample {
        let given = files.iter().find(|(file, _)| *file == name).map(|(_, data)| *data);
        let data = given.unwrap_or(own);
        Sha256::digest(data).iter().for_each(|byte| write!(lines, "{byte:02x}").expect("memory"));
        writeln!(lines, "  {name}").expect("memory");
        fs::write(dir.path().join(name), data).expect("room");
    }
    let sums = sums.unwrap_or(lines.as_bytes());
    fs::write(dir.path().join("SHA256SUMS"), sums).expect("room");
    let set = CheckpointSet::open(dir.path());
    (dir, set)
}
