//! Checkpoint sets: manifests, checksums, records.

use std::fmt::Write;
use std::fs;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::sample::{SAMPLE, fresh};

/// Manifests and lists of checksums, in turns. The first byte says which: a manifest comes with its true checksum. Says
/// whether the set loads.
pub fn manifest(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else { return false };
    let (_dir, opened) = match kind % 2 {
        0 => open_with(&[("manifest.json", data)], None),
        _ => open_with(&[], Some(data)),
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

/// Records, each with its true length and checksum. The first byte says which. Says whether the set loads.
pub fn records(data: &[u8]) -> bool {
    let (_dir, set) = with_record(data);
    set.is_some_and(|set| loads(&set))
}

fn with_record(data: &[u8]) -> (Option<TempDir>, Option<CheckpointSet>) {
    let Some((kind, data)) = data.split_first() else { return (None, None) };
    let file = ["model.bpk", "optim.bpk", "scheduler.bpk"][usize::from(kind % 3)];
    let mut manifest: serde_json::Value =
        serde_json::from_slice(SAMPLE[0].1).expect("the sample is JSON");
    manifest["files"][file] = data.len().into();
    let manifest = manifest.to_string();
    let files = [(file, data), ("manifest.json", manifest.as_bytes())];
    let (dir, set) = open_with(&files, None);
    (Some(dir), Some(set.expect("checksum and length are right")))
}

/// The sample with other files in place of its own, and checksums to match unless `sums` are given. The folder lasts as
/// long as what is returned.
fn open_with(
    files: &[(&str, &[u8])],
    sums: Option<&[u8]>,
) -> (TempDir, Result<CheckpointSet, CheckpointError>) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut lines = String::new();
    for (name, own) in SAMPLE {
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
