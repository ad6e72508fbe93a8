//! Sets that were damaged, or are of a later version: all is noticed.

use std::path::Path;

use burn_apollo::checkpoint::{
    CheckpointError, CheckpointSet, CheckpointStore, Damage, FoundSet, Retention,
};

use crate::folder::{Folder, flip, snapshot};

#[test]
fn damaged_sets_are_stepped_over_and_told() {
    let folder = Folder::with(&[2, 5, 9]);
    flip(&folder.file("000003-step-9", "optim.bpk"), 1000);
    std::fs::remove_file(folder.file("000002-step-5", "model.bpk")).unwrap();
    let FoundSet { set, stepped_over } = folder.latest();
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
fn a_later_version_is_an_error_and_not_a_damage() {
    let folder = Folder::with(&[2, 5]);
    let manifest = folder.file("000002-step-5", "manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"version\": 2", "\"version\": 3")).unwrap();
    assert!(folder.store.latest_good().unwrap().unwrap().set.step() == 2, "its checksum is wrong");
    let status = std::process::Command::new("sh")
        .args(["-c", "sha256sum model.bpk optim.bpk scheduler.bpk manifest.json > SHA256SUMS"])
        .current_dir(manifest.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    let error = folder.store.latest_good().unwrap_err();
    assert!(matches!(error, CheckpointError::Version { found: 3, known: 2, .. }));
    assert!(error.to_string().contains("use a newer burn-apollo"), "{error}");
}
