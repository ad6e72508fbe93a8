//! Sets that were damaged, or are of a later version: all is noticed.

use std::path::Path;

use burn_apollo::checkpoint::{
    self, CheckpointError, CheckpointSet, CheckpointStore, FoundSet, Retention,
};

use crate::folder::{Folder, flip, snapshot};

#[test]
fn damaged_sets_are_stepped_over_and_told() {
    let folder = Folder::with(&[2, 5, 9]);
    flip(&folder.file("000003-step-9", "optim.bpk"), 1000);
    std::fs::remove_file(folder.file("000002-step-5", "model.bpk")).unwrap();
    let FoundSet { set, stepped_over, .. } = folder.latest();
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
            CheckpointError::Damaged { file: Some(file), wrong, .. } => (file, wrong),
            other => panic!("{other}"),
        }
    };
    let not_a_file = |name: &str| (name.to_owned(), "is not a regular file".to_owned());
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
    assert!(wrong.contains("unknown file"), "{wrong}");
    // A file that claims to be enormous takes no memory: its length is compared first.
    let (file, wrong) = damage(&|set| {
        let model = std::fs::File::options().write(true).open(set.join("model.bpk")).unwrap();
        model.set_len(1 << 40).unwrap();
    });
    assert_eq!((file.as_str(), wrong.contains("bytes instead of")), ("model.bpk", true));
    let (file, wrong) = damage(&|set| {
        let sums = std::fs::File::options().write(true).open(set.join("SHA256SUMS")).unwrap();
        sums.set_len(1 << 40).unwrap();
    });
    assert_eq!((file.as_str(), wrong.contains("more than the 4096")), ("SHA256SUMS", true));
}

#[test]
fn a_later_version_is_an_error_and_not_a_damage() {
    let folder = Folder::with(&[2, 5]);
    let manifest = folder.file("000002-step-5", "manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"version\": 3", "\"version\": 4")).unwrap();
    assert!(folder.store.latest_good().unwrap().unwrap().set.step() == 2, "its checksum is wrong");
    let status = std::process::Command::new("sh")
        .args(["-c", "sha256sum model.bpk optim.bpk scheduler.bpk manifest.json > SHA256SUMS"])
        .current_dir(manifest.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    let error = folder.store.latest_good().unwrap_err();
    assert!(matches!(error, CheckpointError::Version { found: 4, known: 3, .. }));
    assert!(error.to_string().contains("use a newer burn-apollo"), "{error}");
}

/// The last good set stays, whatever the manifests of the others say.
#[test]
fn retention_counts_only_sets_that_were_read() {
    let folder = Folder::with(&[2, 5, 9]);
    flip(&folder.file("000003-step-9", "optim.bpk"), 1000);
    flip(&folder.file("000002-step-5", "model.bpk"), 1000);
    drop(folder.store);
    // Another process, which nobody told of the damage.
    let store = CheckpointStore::open(folder.dir.path(), Retention::last(2)).unwrap();
    let report = store.save(snapshot(3)).unwrap();
    assert!(report.removed.is_empty(), "{:?}", report.removed);
    let folder = Folder { store, ..folder };
    assert!(folder.sets().contains(&"000001-step-2".to_owned()), "{:?}", folder.sets());
    // With the new one spoilt too, there is still one to go on from.
    flip(&folder.file("000004-step-3", "model.bpk"), 1000);
    assert_eq!(folder.latest().set.step(), 2);
}

#[test]
fn the_best_set_is_only_kept_instead_of_others_if_it_is_good() {
    let folder = Folder::new(Retention::last(1).and_lowest(1));
    for (step, metric) in [(2, 2.0), (5, 1.0)] {
        folder.store.save(snapshot(step).with_metric(metric).unwrap()).unwrap();
    }
    assert_eq!(folder.sets(), ["000002-step-5"]);
    folder.store.save(snapshot(6).with_metric(1.5).unwrap()).unwrap();
    flip(&folder.file("000002-step-5", "model.bpk"), 1000);
    drop(folder.store);
    let store = CheckpointStore::open(folder.dir.path(), Retention::last(1).and_lowest(1)).unwrap();
    store.save(snapshot(7).with_metric(3.0).unwrap()).unwrap();
    assert_eq!(store.best_good().unwrap().unwrap().set.step(), 6);
}

#[test]
fn what_is_no_folder_of_checkpoints_is_told_for_what_it_is() {
    let folder = Folder::with(&[2]);
    let file = folder.dir.path().join("a-file");
    std::fs::write(&file, "text").unwrap();
    let says = |error: CheckpointError, words: &str| {
        assert!(error.to_string().ends_with(words), "{error} should end with {words}");
    };
    let store = |path: &Path| CheckpointStore::open(path, Retention::default()).unwrap_err();
    let folder_wanted = "a-file: expected a folder of checkpoints, found a file";
    says(store(&file), folder_wanted);
    says(store(&file.join("below")), folder_wanted);
    says(checkpoint::latest_good(&file).unwrap_err(), folder_wanted);
    says(checkpoint::best_good(&file, Retention::default()).unwrap_err(), folder_wanted);
    let set = |path: &Path| CheckpointSet::open(path).unwrap_err();
    says(
        set(&file),
        "a-file: expected a checkpoint, which is a folder with its files, found a file",
    );
    says(set(&folder.dir.path().join("none")), "found nothing");
    says(set(folder.dir.path()), "open one of them, or take the newest with `latest_good`");
    // One that a file has taken the place of is stepped over.
    std::fs::write(folder.dir.path().join("000002-step-3"), "text").unwrap();
    assert_eq!((folder.latest().set.step(), folder.latest().stepped_over.len()), (2, 1));
}

/// A set may lie elsewhere: where there is room.
#[cfg(unix)]
#[test]
fn a_link_to_a_set_is_a_set() {
    let folder = Folder::with(&[2, 5]);
    let (set, elsewhere) = (folder.dir.path().join("000002-step-5"), tempfile::tempdir().unwrap());
    let moved = elsewhere.path().join("moved");
    std::fs::rename(&set, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &set).unwrap();
    assert_eq!(CheckpointSet::open(&set).unwrap().step(), 5);
    assert_eq!(folder.latest().set.step(), 5);
    // What retention removes is the link.
    folder.store.clear().unwrap();
    assert!(folder.store.is_empty().unwrap() && CheckpointSet::open(&moved).is_ok());
    std::os::unix::fs::symlink(elsewhere.path().join("gone"), &set).unwrap();
    let error = CheckpointSet::open(&set).unwrap_err().to_string();
    assert!(error.ends_with("found a link to nothing"), "{error}");
}
