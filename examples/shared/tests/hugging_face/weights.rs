//! Released files in older layouts are read; files that are not what they should be are refused in one
//! line, and none makes the import panic.

use std::fs;

use burn::module::Module;
use burn::tensor::Device;
use tempfile::TempDir;

use super::file::{RawFile, RawTensor};
use super::{Kind, assert_refused};
use apollo_examples::Failure;
use apollo_examples::models::bert::Bert;
use apollo_examples::models::gpt::Gpt;
use apollo_examples_testing::golden::{Cases, Reference, bits, compare_logits, tokens};

fn golden<K: Kind>() -> RawFile {
    RawFile::read(&K::folder().join("model.safetensors"))
}

/// A folder with the golden configuration.
fn configured<K: Kind>() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = "config.json";
    std::fs::copy(K::folder().join(config), dir.path().join(config)).unwrap();
    dir
}

fn folder_with<K: Kind>(file: &RawFile) -> TempDir {
    let dir = configured::<K>();
    file.write(&dir.path().join("model.safetensors"));
    dir
}

fn assert_reads_as_golden<K: Kind>(file: &RawFile) {
    let device = Device::flex();
    let dir = folder_with::<K>(file);
    let (_, model) = K::import(dir.path(), &device).unwrap();
    let references: Cases = K::read("cases.json");
    let logits = model.logits(tokens(&references.input_ids, &device));
    compare_logits(logits, &references.cases[0], "released layout");
}

/// The first GPT-2 files name the bare transformer's tensors, hold its masks, and may repeat tied weights.
#[test]
fn gpt2_as_it_was_released() {
    let file = golden::<Gpt>().renamed(|name| name.replace("transformer.", ""));
    let tied = file.tensors["wte.weight"].clone();
    let file = (0..3).fold(file, |file, layer| {
        file.with(&format!("h.{layer}.attn.bias"), RawTensor::floats(&[1, 1, 32, 32], 1.0))
            .with(&format!("h.{layer}.attn.masked_bias"), RawTensor::floats(&[], -1e4))
    });
    assert_reads_as_golden::<Gpt>(&file.with("lm_head.weight", tied));
}

/// The first BERT files name norms after gamma and beta, and hold two heads and a pooler.
#[test]
fn bert_as_it_was_released() {
    let file = golden::<Bert>().renamed(|name| {
        name.replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta")
    });
    let (words, bias) = (
        file.tensors["bert.embeddings.word_embeddings.weight"].clone(),
        file.tensors["cls.predictions.bias"].clone(),
    );
    let positions = RawTensor {
        dtype: "I64".to_owned(),
        shape: vec![1, 32],
        bytes: (0..32_i64).flat_map(i64::to_le_bytes).collect(),
    };
    let file = file
        .with("bert.embeddings.position_ids", positions)
        .with("bert.pooler.dense.weight", RawTensor::floats(&[24, 24], 0.1))
        .with("bert.pooler.dense.bias", RawTensor::floats(&[24], 0.1))
        .with("cls.seq_relationship.weight", RawTensor::floats(&[2, 24], 0.1))
        .with("cls.seq_relationship.bias", RawTensor::floats(&[2], 0.1))
        .with("cls.predictions.decoder.weight", words)
        .with("cls.predictions.decoder.bias", bias);
    assert_reads_as_golden::<Bert>(&file);
}

/// What PyTorch's wrappers put before every name: data parallel training, compilation, both.
#[test]
fn names_may_have_the_prefix_of_a_wrapper() {
    for prefix in ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."] {
        assert_reads_as_golden::<Gpt>(&golden::<Gpt>().renamed(|name| format!("{prefix}{name}")));
        assert_reads_as_golden::<Bert>(&golden::<Bert>().renamed(|name| format!("{prefix}{name}")));
    }
}

/// Weights in several files, which an index names.
#[test]
fn shards_are_read_through_their_index() {
    let dir = configured::<Bert>();
    let (file, mut map) = (golden::<Bert>(), serde_json::Map::new());
    let part = |shard: usize| RawFile {
        tensors: file.tensors.clone().into_iter().skip(shard).step_by(3).collect(),
        metadata: file.metadata.clone(),
    };
    let name = |shard: usize| format!("model-{:05}-of-00003.safetensors", shard + 1);
    for shard in 0..3 {
        part(shard).write(&dir.path().join(name(shard)));
        map.extend(part(shard).tensors.into_keys().map(|tensor| (tensor, name(shard).into())));
    }
    let index = dir.path().join("model.safetensors.index.json");
    let write = |map: &serde_json::Map<_, _>| {
        fs::write(&index, serde_json::json!({"metadata": {}, "weight_map": map}).to_string())
            .unwrap();
    };
    write(&map);
    let (_, whole) = Bert::import(&Bert::folder(), &Device::flex()).unwrap();
    let (_, parts) = Bert::import(dir.path(), &Device::flex()).unwrap();
    assert_eq!(bits(&parts), bits(&whole));

    // A name elsewhere, a file that is not there, one that is no index, a tensor in two files.
    let mut lie = map.clone();
    lie.insert("x".to_owned(), "../model.safetensors".into());
    write(&lie);
    assert_refused::<Bert>(
        dir.path(),
        "index.json: names \"../model.safetensors\", which is no file",
    );
    fs::write(&index, "{\"weight_map\": 1}").unwrap();
    assert_refused::<Bert>(dir.path(), "index.json: invalid type");
    write(&map);
    file.write(&dir.path().join(name(1)));
    assert_refused::<Bert>(dir.path(), "holds a tensor under two names");
    fs::remove_file(dir.path().join(name(1))).unwrap();
    assert_refused::<Bert>(dir.path(), "model-00002-of-00003.safetensors: No such file");
}

#[test]
fn files_that_are_not_there_are_told_from_others() {
    let dir = configured::<Gpt>();
    assert_refused::<Gpt>(dir.path(), "model.safetensors: No such file");
    for name in
        ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "tf_model.h5", "a.safetensors"]
    {
        fs::write(dir.path().join(name), "").unwrap();
        let words = format!("model.safetensors: is not there, but {name}; in Python,");
        assert_refused::<Gpt>(dir.path(), &words);
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
    for name in ["model.safetensors", "config.json"] {
        fs::write(dir.path().join(name), pointer).unwrap();
        assert_refused::<Gpt>(dir.path(), &format!("{name}: is a pointer of Git LFS"));
    }
}

/// A number that no training begins with is found at once, and named.
#[test]
fn numbers_that_are_not_finite_are_refused() {
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let (mut file, name) = (golden::<Bert>(), "bert.encoder.layer.1.output.dense.bias");
        file.tensors.get_mut(name).unwrap().bytes[8..12].copy_from_slice(&value.to_le_bytes());
        let dir = folder_with::<Bert>(&file);
        assert_refused::<Bert>(dir.path(), &format!("{name} holds {word}"));
    }
}

#[test]
fn half_precision_becomes_single() {
    let mut file = golden::<Bert>();
    file.tensors.values_mut().for_each(|tensor| *tensor = tensor.to_bf16());
    let dir = folder_with::<Bert>(&file);
    let (config, model) = Bert::import(dir.path(), &Device::flex()).unwrap();
    assert_eq!(model.logits(tokens(&[vec![1, 2]], &Device::flex())).dims(), [2, 61]);
    Bert::export(&config, &model, dir.path()).unwrap();
    let written = RawFile::read(&dir.path().join("model.safetensors"));
    for (name, tensor) in &written.tensors {
        assert_eq!(tensor.dtype, "F32", "{name}");
        assert_eq!(tensor.to_bf16(), file.tensors[name], "{name}");
    }
}

#[test]
fn an_import_on_a_training_device_trains() {
    let device = Device::flex().autodiff();
    let (_, model) = Gpt::import(&Gpt::folder(), &device).unwrap();
    let references: Cases = Gpt::read("cases.json");
    let grads = model.reference_loss(&references, &device).backward();
    let grads = burn::optim::GradientsParams::from_grads(grads, &model);
    assert_eq!(grads.len(), burn::module::list_param_ids(&model).len());
    assert_eq!(model.num_params(), 2 * 24 + (61 + 32) * 24 + 3 * (12 * 24 * 24 + 13 * 24));
}

#[test]
fn tensors_that_are_not_the_models_are_refused() {
    let refused = |file: RawFile, expected: &str| {
        assert_refused::<Bert>(folder_with::<Bert>(&file).path(), expected);
    };
    let file = golden::<Bert>();
    let query = "bert.encoder.layer.1.attention.self.query.weight";
    refused(file.clone().without(query), &format!("there is no tensor {query}"));
    refused(
        file.clone().without("bert.embeddings.word_embeddings.weight"),
        "there is no tensor bert.embeddings.word_embeddings.weight",
    );
    let wide = RawTensor::floats(&[12, 48], 0.0);
    refused(
        file.clone().with(query, wide),
        &format!("{query} has shape [12, 48], expected [24, 24]"),
    );
    let integers = RawTensor { dtype: "I32".to_owned(), ..RawTensor::floats(&[24, 24], 0.0) };
    refused(file.clone().with(query, integers), &format!("{query} holds I32, expected floats"));
    refused(
        file.clone().with("classifier.weight", RawTensor::floats(&[2, 24], 0.0)),
        "holds classifier.weight, which is no part of this bert model",
    );
    refused(
        file.clone().with("two\nlines", RawTensor::floats(&[1], 0.0)),
        "holds two\\nlines, which is no part",
    );
    refused(
        file.clone().with("cls.predictions.decoder.weight", RawTensor::floats(&[61, 24], 0.0)),
        "cls.predictions.decoder.weight differs from bert.embeddings.word_embeddings.weight",
    );
    refused(
        file.clone().with("bert.embeddings.LayerNorm.gamma", RawTensor::floats(&[24], 0.0)),
        "holds a tensor under two names",
    );
    let mut bare = file.clone().renamed(|name| name.replace("bert.", ""));
    bare.tensors.retain(|name, _| !name.starts_with("cls."));
    refused(bare, "there is no tensor cls.predictions.* of the head that a BertForMaskedLM has");
    let shallow = file.renamed(|name| name.replace("layer.2.", "layer.1."));
    refused(shallow, "the number of layers is 2, expected 3");
}

#[test]
fn a_model_of_another_architecture_is_refused() {
    let file = golden::<Gpt>();
    assert_refused::<Bert>(folder_with::<Bert>(&file).path(), "there is no tensor bert.");
    let file = golden::<Bert>();
    assert_refused::<Gpt>(folder_with::<Gpt>(&file).path(), "there is no tensor transformer.wte");
}

#[test]
fn files_that_are_no_safetensors_are_refused() {
    let dir = configured::<Gpt>();
    assert_refused::<Gpt>(dir.path(), "model.safetensors: No such file");
    let path = dir.path().join("model.safetensors");
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        assert_refused::<Gpt>(dir.path(), "model.safetensors: ");
    };
    let golden = std::fs::read(Gpt::folder().join("model.safetensors")).unwrap();
    refused(b"");
    refused(b"{\"model\": 1}");
    refused(&u64::MAX.to_le_bytes());
    refused(&[&u64::MAX.to_le_bytes()[..], &golden[8..]].concat());
    refused(&[&8_u64.to_le_bytes()[..], b"{       }"].concat());
    for length in [4, 8, 100, 3671, 3672, golden.len() / 2, golden.len() - 1] {
        refused(&golden[..length]);
    }
    refused(&[&golden[..], b"more"].concat());

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_refused::<Gpt>(dir.path(), "model.safetensors: is a folder");
}

/// Headers that lie about shapes and places.
#[test]
fn hostile_headers_are_refused() {
    let dir = configured::<Gpt>();
    let refused = |header: &str| {
        let length = (header.len() as u64).to_le_bytes();
        let file = [&length[..], header.as_bytes(), &[0; 64]].concat();
        std::fs::write(dir.path().join("model.safetensors"), file).unwrap();
        assert_refused::<Gpt>(dir.path(), "model.safetensors: ");
    };
    refused(r#"{"wte.weight":{"dtype":"F32","shape":[61,24],"data_offsets":[0,5856]}}"#);
    refused(r#"{"wte.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[64,0]}}"#);
    refused(r#"{"wte.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[0,60]}}"#);
    refused(
        r#"{"wte.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,64]}}"#,
    );
    refused(r#"{"wte.weight":{"dtype":"F4","shape":[128],"data_offsets":[0,64]}}"#);
    refused(r#"{"wte.weight":{"dtype":"F8_E4M3","shape":[64],"data_offsets":[0,64]}}"#);
    refused(r#"{"wte.weight":{"dtype":"F32","shape":[0,24],"data_offsets":[0,0]}}"#);
    refused(&format!("{{\"wte.weight\":{}", "[".repeat(10_000)));
}

/// One byte of the header changed, at many places: a model or a failure, never a panic (which inside
/// burn-store ends the process).
#[test]
fn damaged_headers_never_panic() {
    let dir = configured::<Gpt>();
    let golden = std::fs::read(Gpt::folder().join("model.safetensors")).unwrap();
    let path = dir.path().join("model.safetensors");
    for at in (0..3672).step_by(13) {
        for value in [b'0', b'"', 0xff] {
            let mut damaged = golden.clone();
            damaged[at] = value;
            std::fs::write(&path, damaged).unwrap();
            if let Err(Failure::Usage(message) | Failure::Run(message)) =
                Gpt::import(dir.path(), &Device::flex())
            {
                assert!(!message.contains('\n'), "{message:?}");
            }
        }
    }
}
