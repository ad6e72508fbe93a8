//! Models of Hugging Face's `transformers`, imported and exported: GPT-2 and BERT.
//!
//! Nothing here needs Python: what `transformers` computes from an export was recorded by
//! `examples/shared/tests/python/hugging_face.py` (see docs/hugging-face.md).

mod config;
mod file;
mod round_trip;
mod transformers;
mod weights;

use std::fmt::Debug;
use std::path::Path;

use burn::tensor::Device;

use apollo_examples::Failure;
use apollo_examples::hf;
use apollo_examples::models::bert::{Bert, BertConfig};
use apollo_examples::models::gpt::{Gpt, GptConfig};
use apollo_examples_testing::golden::Reference;

/// A kind of model that can be imported and exported.
trait Kind: Reference {
    type Config: Debug + Copy;

    fn init(config: Self::Config, device: &Device) -> Self;

    fn import(dir: &Path, device: &Device) -> Result<(Self::Config, Self), Failure>;

    fn export(config: &Self::Config, model: &Self, dir: &Path) -> Result<(), Failure>;

    /// A byte-level model of twelve layers.
    fn of_bytes() -> Self::Config;
}

impl Kind for Gpt {
    type Config = GptConfig;

    fn init(config: GptConfig, device: &Device) -> Self {
        config.init(device)
    }

    fn import(dir: &Path, device: &Device) -> Result<(GptConfig, Self), Failure> {
        hf::import_gpt2(dir, device)
    }

    fn export(config: &GptConfig, model: &Self, dir: &Path) -> Result<(), Failure> {
        hf::export_gpt2(config, model, dir)
    }

    fn of_bytes() -> GptConfig {
        GptConfig {
            vocabulary: 256,
            positions: 32,
            width: 24,
            heads: 4,
            layers: 12,
            embedding_std: 0.02,
            linear_std: 0.02,
            dropout: 0.0,
        }
    }
}

impl Kind for Bert {
    type Config = BertConfig;

    fn init(config: BertConfig, device: &Device) -> Self {
        config.init(device)
    }

    fn import(dir: &Path, device: &Device) -> Result<(BertConfig, Self), Failure> {
        hf::import_bert(dir, device)
    }

    fn export(config: &BertConfig, model: &Self, dir: &Path) -> Result<(), Failure> {
        hf::export_bert(config, model, dir)
    }

    fn of_bytes() -> BertConfig {
        BertConfig {
            vocabulary: 256,
            positions: 32,
            token_types: 2,
            width: 24,
            heads: 4,
            layers: 12,
            dropout: 0.0,
            std: 0.02,
        }
    }
}

/// Asserts that an import is refused in one line that says `expected`.
fn assert_refused<K: Kind>(dir: &Path, expected: &str) {
    match K::import(dir, &Device::flex()) {
        Err(Failure::Usage(message)) => {
            assert!(message.contains(expected), "{message:?} does not say {expected:?}");
            assert!(!message.contains('\n'), "{message:?} is not one line");
        }
        Err(other) => panic!("{other:?} should be a usage failure"),
        Ok((config, _)) => panic!("{config:?} was imported, expected {expected:?}"),
    }
}
