//! The fuzz targets as property tests with fixed seeds: bytes of every kind end in a value or a typed error.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Runs `target` on `seeds`, which must get all the way through, and on `cases` mutations of them, always the same
/// ones.
fn run(cases: u32, seeds: Vec<Vec<u8>>, target: fn(&[u8]) -> bool) {
    for seed in &seeds {
        assert!(target(seed), "a seed of {} bytes is refused", seed.len());
    }
    let input = mutated(seeds);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let result = TestRunner::new_with_rng(config, rng).run(&input, |bytes| {
        target(&bytes);
        Ok(())
    });
    if let Err(TestError::Fail(reason, bytes)) = &result {
        panic!("{reason} for {} bytes: {:02x?}…", bytes.len(), &bytes[..bytes.len().min(64)]);
    }
    result.unwrap();
}

/// `seeds` as they are, with bytes overwritten, cut, repeated and put together; and bytes without any sense.
fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let seed = || proptest::sample::select(seeds.clone());
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let edited = (seed(), edits).prop_map(|(mut bytes, edits)| {
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    });
    let at = any::<prop::sample::Index>;
    let cut = (seed(), at()).prop_map(|(bytes, at)| bytes[..at.index(bytes.len())].to_vec());
    let spliced = (seed(), seed(), at(), at())
        .prop_map(|(a, b, i, j)| [&a[..i.index(a.len())], &b[j.index(b.len())..]].concat());
    let senseless = proptest::collection::vec(any::<u8>(), 0..512);
    prop_oneof![5 => edited, 2 => cut, 2 => spliced, 1 => senseless]
}

/// What each target begins with: inputs that get all the way through.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let sample = |kind: u8, version: usize, file: usize| {
        [&[kind][..], targets::SAMPLES[version - 1][file].1].concat()
    };
    let sums = |kind: u8, sums: &[u8]| [&[kind][..], sums].concat();
    match target {
        "manifest" => vec![
            sample(0, 1, 0),
            sums(1, include_bytes!("data/checkpoint-v1/SHA256SUMS")),
            sample(2, 2, 0),
            sums(3, include_bytes!("data/checkpoint-v2/SHA256SUMS")),
        ],
        "records" => {
            let records = |(kind, file): (u8, usize)| {
                [sample(kind, 1, file), sample(kind + 3, 2, file)]
            };
            [(0, 1), (1, 2), (2, 3)].into_iter().flat_map(records).collect()
        }
        "plan" => [
            r#"{"steps":20,"sampler":"lvps","policy":{"loss_plateau":{"patience":7}},"moments":"copy"}"#,
            "steps = 10\nsampler = { lvps = { excess = 0.3 } }\nexpander = { middle_stacking = { block = 2 } }\n",
            "steps = 10\npolicy = { custom = { name = \"mine\", parameters = { every = 3 } } }\nnew_layers = { zeroed = [\"weight\"] }\n",
            r#"{"steps":18446744073709551615,"lr":{"warmup_stable_decay":{"warm_up":0.02,"decay":0.2}},
                "lr_at_growth":{"rewarm":{"from":0.1,"steps":4}},"schedule":{"stages":[{"layers":4}]}}"#,
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec(),
        _ => [
            "[[stages]]\nlayers = 3\nuntil = { fraction = 0.25 }\n[[stages]]\nlayers = 12\n",
            "[[stages]]\nlayers = [1, 2]\nuntil = { step = 7 }\n[[stages]]\nlayers = [12, 4]\n",
            r#"{"stages": [{"layers": 0, "until": {"step": 5}}, {"layers": 4}]}"#,
            r#"{"stages": [{"layers": [18446744073709551615], "until": {"fraction": 1e-300}}]}"#,
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec(),
    }
}

#[test]
fn schedules() {
    run(20_000, seeds("schedule"), targets::schedule);
}

#[test]
fn plans() {
    run(5000, seeds("plan"), targets::plan);
}

#[test]
fn manifests_and_checksums() {
    run(1500, seeds("manifest"), targets::manifest);
}

#[test]
fn records() {
    run(1500, seeds("records"), targets::records);
    run(1500, seeds("records"), targets::records_that_train);
}

#[test]
#[ignore = "writes what the fuzzer begins with into fuzz/corpus"]
fn write_the_corpus() {
    for target in ["schedule", "plan", "manifest", "records"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&dir).unwrap();
        for (i, seed) in seeds(target).iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{i}")), seed).unwrap();
        }
    }
}
