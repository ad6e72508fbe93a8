//! The format of checkpoints is kept: a set written by version 1 loads in every later version.

#[path = "../fuzz/targets.rs"]
mod targets;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointSet, CheckpointStore, Restored, Retention, Snapshot};
use burn_apollo::data::DataPosition;
use burn_apollo::schedule::LossFeed;
use sha2::{Digest, Sha256};
use targets::{Tiny, fresh};

/// The sample's folder as the tests see it.
fn sample() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoint-v1")
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// A step on the batch of its number; gives the bits of the loss.
fn step((mut apollo, mut optim, mut scheduler): Restored<Tiny>) -> (Restored<Tiny>, u32) {
    let number = apollo.step_count();
    let values: Vec<f32> = (0..8).map(|i| ((number * 31 + i * 7) as f32 * 0.37).sin()).collect();
    let x = Tensor::<1>::from_floats(values.as_slice(), &device());
    let loss = apollo.loss(x.reshape([4, 2]));
    let bits = loss.clone().into_scalar::<f32>().to_bits();
    let grads = GradientsParams::from_grads(loss.backward(), &apollo);
    apollo = apollo.optimize(&mut optim, scheduler.step(), grads);
    apollo.growth().unwrap();
    ((apollo, optim, scheduler), bits)
}

/// The sample stands for all checkpoints of version 1 that are out there: it is never replaced. A change of the format
/// has a version and a sample of its own.
#[test]
fn the_sample_of_version_1_is_the_first() {
    let sums = std::fs::read(sample().join("SHA256SUMS")).unwrap();
    let digest: String = Sha256::digest(&sums).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "39a955bea1c3b292900ff79b9ae18109e8c4707147f8f442e0fbe175ad01905c");
}

#[test]
fn the_sample_of_version_1_loads_and_goes_on() {
    let set = CheckpointSet::open(sample()).unwrap();
    assert_eq!((set.step(), set.epoch(), set.metric()), (4, Some(1), Some(0.1)));
    assert_eq!(set.plan().layers, [[1], [2], [4]]);
    let position: DataPosition = set.state("data").unwrap();
    assert_eq!(position, DataPosition { seed: u64::MAX, epoch: 1, offset: 7 });
    let expected: Vec<(usize, f32)> = set.state("losses").unwrap();

    let feed = LossFeed::default();
    let (apollo, optim, scheduler) = fresh(feed.clone(), &device());
    let mut run = set.load(apollo, optim, scheduler).unwrap();
    assert_eq!((run.0.step_count(), run.0.growth_steps(), feed.recorded()), (4, &[2][..], 2));
    for (depth, loss) in expected {
        assert_eq!(run.0.depth(), depth);
        let bits;
        (run, bits) = step(run);
        // Another machine may round otherwise.
        assert!((f32::from_bits(bits) - loss).abs() <= 1e-5 * loss, "{loss}");
    }
}

#[test]
#[ignore = "writes the sample of a new version of the format, once"]
fn write_the_sample() {
    let feed = LossFeed::default();
    let mut run = fresh(feed.clone(), &device());
    for _ in 0..4 {
        (run, _) = step(run);
    }
    feed.record(2, 0.5);
    feed.record(3, f64::NAN);
    let snapshot = Snapshot::new(&run.0, &run.1, &run.2).unwrap();
    let mut losses = Vec::new();
    while run.0.step_count() < 20 {
        let (depth, bits);
        depth = run.0.depth();
        (run, bits) = step(run);
        losses.push((depth, f32::from_bits(bits)));
    }
    let position = DataPosition { seed: u64::MAX, epoch: 1, offset: 7 };
    let snapshot = snapshot
        .with_epoch(1)
        .with_metric(0.1)
        .and_then(|s| s.with_state("data", &position))
        .and_then(|s| s.with_state("losses", &losses))
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
    let report = store.save(snapshot).unwrap();
    std::fs::create_dir(sample()).expect("an existing sample is never replaced");
    for file in std::fs::read_dir(report.path).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), sample().join(file.file_name())).unwrap();
    }
}
