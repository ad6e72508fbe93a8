//! The format of checkpoints is kept: a set that was written once loads in every later version.

use std::path::PathBuf;

use apollo_examples_hostile::{Tiny, fresh};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use burn_apollo::Apollo;
use burn_apollo::checkpoint::{CheckpointSet, CheckpointStore, Restored, Retention, Snapshot};
use burn_apollo::data::DataPosition;
use sha2::{Digest, Sha256};

fn sample() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/checkpoint-v3")
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// A step on the batch of its number; gives the loss.
fn step((apollo, optim, scheduler): &mut Restored<Tiny>) -> f32 {
    let number = apollo.step_count();
    let values: Vec<f32> = (0..8).map(|i| ((number * 31 + i * 7) as f32 * 0.37).sin()).collect();
    let x = Tensor::<1>::from_floats(values.as_slice(), &device());
    let loss = apollo.model().loss(x.reshape([4, 2]));
    let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
    apollo.update(optim, scheduler.step(), grads).unwrap();
    loss.into_scalar::<f32>()
}

/// The sample stands for all checkpoints that are out there: it is never replaced. A change of the format has a version
/// and a sample of its own.
#[test]
fn the_sample_is_the_first() {
    let sums = std::fs::read(sample().join("SHA256SUMS")).unwrap();
    let digest: String = Sha256::digest(&sums).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "7054d2ca1b64bbd974345c96ad66df6dd536c0fbedfd28ae5fe9b98433aefa54");
}

/// The steps before which a run grew.
fn growth_steps(apollo: &Apollo<Tiny>) -> Vec<u64> {
    apollo.growths().map(|(step, _)| step).collect()
}

#[test]
fn the_sample_loads_and_goes_on() {
    let set = CheckpointSet::open(sample()).unwrap();
    assert_eq!((set.step(), set.epoch(), set.metric()), (4, Some(1), Some(0.1)));
    let position: DataPosition = set.state("data").unwrap();
    assert_eq!(position, DataPosition { seed: u64::MAX, epoch: 1, offset: 7 });
    let expected: Vec<(usize, f32)> = set.state("losses").unwrap();
    assert_eq!(expected.len(), 16);

    let (apollo, optim, scheduler) = fresh(&device());
    assert_eq!(set.plan(), apollo.plan());
    let mut run = set.load(apollo, optim, scheduler).unwrap();
    assert_eq!((run.0.step_count(), growth_steps(&run.0)), (4, vec![2]));
    let layers: Vec<_> = (0..3).map(|stage| run.0.timeline().layers(stage)[0]).collect();
    assert_eq!(layers, [1, 2, 4]);
    // What the policy had yet to see is saved again as it was.
    let waiting = saved_measurements(&run);
    let (loss, not_finite) = (&waiting[0], &waiting[1]);
    assert_eq!((loss["step"].as_u64(), loss["value"].as_f64()), (Some(2), Some(0.5)));
    assert_eq!((not_finite["step"].as_u64(), not_finite["value"].as_str()), (Some(3), Some("NaN")));
    assert!(waiting[..2].iter().all(|m| m["name"] == "loss"));
    assert_eq!(waiting.len(), 3);
    for (depth, loss) in expected {
        assert_eq!(run.0.depth(), depth);
        // Another machine may round otherwise.
        let found = step(&mut run);
        assert!((found - loss).abs() <= 1e-5 * loss, "{found} instead of {loss}");
    }
    assert_eq!((run.0.step_count(), growth_steps(&run.0)), (20, vec![2, 5]));
}

/// The measurements in the manifest that a run would write now.
fn saved_measurements((apollo, optim, scheduler): &Restored<Tiny>) -> Vec<serde_json::Value> {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
    let report = store.save(Snapshot::new(apollo, optim, scheduler).unwrap()).unwrap();
    let manifest = std::fs::read_to_string(report.path.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["measurements"].as_array().unwrap().clone()
}

#[test]
#[ignore = "writes the sample of a new version of the format, once"]
fn write_the_sample() {
    let mut run = fresh(&device());
    for _ in 0..4 {
        step(&mut run);
    }
    run.0.record_loss(2, 0.5);
    run.0.record_loss(3, f64::NAN);
    run.0.record("norm", 1.5);
    let snapshot = Snapshot::new(&run.0, &run.1, &run.2).unwrap();
    let mut losses = Vec::new();
    while run.0.step_count() < 20 {
        losses.push((run.0.depth(), step(&mut run)));
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
