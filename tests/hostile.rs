//! The fuzz targets as property tests with fixed seeds: bytes of every kind end in a value or a typed error.

#[path = "../fuzz/targets.rs"]
mod targets;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Runs `target` on `cases` inputs made by `input`, always the same ones.
fn run<S: Strategy<Value = Vec<u8>>>(cases: u32, input: S, target: fn(&[u8])) {
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

/// Files of the sample, each behind the byte that selects it.
fn sample(files: &[(u8, usize)]) -> Vec<Vec<u8>> {
    let file = |(kind, at): &(u8, usize)| [&[*kind][..], targets::SAMPLE[*at].1].concat();
    files.iter().map(file).collect()
}

#[test]
fn schedules() {
    let seeds = [
        "[[stages]]\nlayers = 3\nuntil = { fraction = 0.25 }\n[[stages]]\nlayers = 12\n",
        "[[stages]]\nlayers = [1, 2]\nuntil = { step = 7 }\n[[stages]]\nlayers = [12, 4]\n",
        r#"{"stages": [{"layers": 0, "until": {"step": 5}}, {"layers": 4}]}"#,
        r#"{"stages": [{"layers": [18446744073709551615], "until": {"fraction": 1e-300}}]}"#,
    ];
    run(20_000, mutated(seeds.map(|s| s.as_bytes().to_vec()).to_vec()), targets::schedule);
}

#[test]
fn manifests_and_checksums() {
    let sums = include_bytes!("data/checkpoint-v1/SHA256SUMS");
    let seeds = [sample(&[(0, 0)]), vec![[&[1][..], sums].concat()]].concat();
    run(1500, mutated(seeds), targets::manifest);
}

#[test]
fn records() {
    let seeds = sample(&[(0, 1), (1, 2), (2, 3)]);
    run(1500, mutated(seeds), targets::records);
}
