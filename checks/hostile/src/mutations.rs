//! Hostile bytes: what gets through, with something wrong.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Runs `target` on `seeds`, which must get all the way through, and on `cases` mutations of them, always the same
/// ones.
pub fn run(cases: u32, seeds: Vec<Vec<u8>>, target: fn(&[u8]) -> bool) {
    for seed in &seeds {
        assert!(target(seed), "a seed of {} bytes is refused", seed.len());
    }
    run_on(cases, mutated(seeds), target);
}

/// Runs `target` on `cases` inputs, always the same ones.
pub fn run_on(cases: u32, input: impl Strategy<Value = Vec<u8>>, target: fn(&[u8]) -> bool) {
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
