//! Files in Hugging Face's layout, from anywhere: bytes of every kind end in a model or an error.

use std::fs;
use std::path::Path;

use apollo_examples::hf;
use apollo_examples::models::gpt::GptConfig;
use burn::tensor::Device;
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

/// A GPT-2 of the smallest shape: one layer of width 2, 3 tokens, 2 positions.
const CONFIG: &str = r#"{
    "model_type": "gpt2", "vocab_size": 3, "n_positions": 2, "n_embd": 2, "n_head": 1, "n_layer": 1,
    "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5
}"#;

/// Safetensors files and their configurations. The first byte says which is given. Says whether the model loads.
fn import(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else { return false };
    let dir = tempfile::tempdir().expect("a folder");
    let (config, weights) = match kind % 2 {
        0 => (CONFIG.as_bytes(), data),
        _ => (data, &[][..]),
    };
    fs::write(dir.path().join("config.json"), config).expect("room");
    fs::write(dir.path().join("model.safetensors"), weights).expect("room");
    hf::import_gpt2(dir.path(), &Device::flex()).is_ok()
}

/// The file of such a model, as the fuzzer begins with it.
fn sample() -> Vec<u8> {
    let device = Device::flex();
    let config = GptConfig {
        vocabulary: 3,
        positions: 2,
        width: 2,
        heads: 1,
        layers: 1,
        embedding_std: 0.1,
        linear_std: 0.1,
        dropout: 0.0,
    };
    let dir = tempfile::tempdir().expect("a folder");
    hf::export_gpt2(&config, &config.init(&device), dir.path()).expect("a whole model");
    fs::read(dir.path().join("model.safetensors")).expect("it was written")
}

/// An input that gets all the way through.
fn seed() -> Vec<u8> {
    [&[0][..], &sample()].concat()
}

#[test]
#[ignore = "writes what the fuzzer begins with into fuzz/corpus"]
fn write_the_corpus() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/safetensors");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("seed-0"), seed()).unwrap();
}

#[test]
fn safetensors() {
    run(1500, vec![seed()], import);
    let config = [&[1][..], CONFIG.as_bytes()].concat();
    for cut in 0..config.len() {
        assert!(!import(&config[..cut]), "there are no weights");
    }
}
