//! The fuzz targets as property tests with fixed seeds: bytes of every kind end in a value or a typed error.

use std::fs;
use std::path::Path;

use apollo_examples::hf;
use apollo_examples::models::gpt::GptConfig;
use apollo_examples_hostile as targets;
use burn::tensor::Device;
use targets::{run, run_on};

/// What each target begins with: inputs that get all the way through.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let sample = |kind: u8, file: usize| [&[kind][..], targets::SAMPLE[file].1].concat();
    match target {
        "manifest" => {
            let sums = include_bytes!("../data/checkpoint-v3/SHA256SUMS");
            vec![sample(0, 0), [&[1][..], sums].concat()]
        }
        "records" => vec![sample(0, 1), sample(1, 2), sample(2, 3)],
        "tokenizer" => (1..=4).map(|kind| vec![kind]).collect(),
        "safetensors" => vec![[&[0][..], &weights()].concat()],
        "plan" => [
            r#"{"steps":20,"sampler":"lvps","policy":{"loss_plateau":{"patience":7}},"moments":"copy"}"#,
            "steps = 10\nsampler = { lvps = { excess = 0.3 } }\nexpander = { middle_stacking = { block = 2 } }\n",
            "steps = 10\npolicy = { custom = { name = \"mine\", parameters = { every = 3 } } }\nnew_layers = { zeroed = [\"weight\"] }\n",
            "steps = 10\nnew_layers = { noisy = { std = 0.1 } }\n[[early_samplers]]\nsampler = \"uniform\"\nuntil = { fraction = 0.3 }\n",
            r#"{"steps":18446744073709551615,"early_samplers":[{"sampler":"uniform","until":{"step":18446744073709551615}}]}"#,
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
fn tokenizers() {
    run(1000, seeds("tokenizer"), targets::tokenizer);
    let changes = proptest::collection::vec(proptest::num::u8::ANY, 2..24);
    run_on(4000, changes, targets::tokenizer);
}

#[test]
#[ignore = "writes what the fuzzer begins with into fuzz/corpus"]
fn write_the_corpus() {
    for target in ["schedule", "plan", "manifest", "records", "safetensors", "tokenizer"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        fs::create_dir_all(&dir).unwrap();
        for (i, seed) in seeds(target).iter().enumerate() {
            fs::write(dir.join(format!("seed-{i}")), seed).unwrap();
        }
    }
}

/// The weights of a GPT-2 of the smallest shape.
fn weights() -> Vec<u8> {
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

#[test]
fn safetensors() {
    run(1500, seeds("safetensors"), targets::safetensors);
    let config = [&[1][..], targets::CONFIG.as_bytes()].concat();
    for cut in 0..config.len() {
        assert!(!targets::safetensors(&config[..cut]), "there are no weights");
    }
}
