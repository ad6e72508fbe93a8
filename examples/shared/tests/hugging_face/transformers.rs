//! Models that were grown and trained here, exported: `transformers` computes the same logits.

use std::path::Path;

use burn::module::{ModuleMapper, Param};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_apollo::{Apollo, Plan};
use serde::Deserialize;
use serde_json::json;

use super::Kind;
use apollo_examples::Failure;
use apollo_examples::models::bert::Bert;
use apollo_examples::models::gpt::Gpt;
use apollo_examples_testing::golden::{Cases, bits, close, tokens};

/// Trained in 20 steps in which one layer became 3, 6 and 12. Random numbers play no part in it.
fn trained<K: Kind>() -> (K::Config, K, Cases) {
    let device = Device::flex().autodiff();
    let config = K::of_bytes();
    let model = K::init(config, &device).map(&mut Determined::default());
    let data = batch();
    let mut apollo = Apollo::new(model, Plan::new(20)).unwrap();
    let mut optim = SgdConfig::new().init();
    assert_eq!(apollo.registry().stacks[0].order, [0]);
    for _ in 0..20 {
        let loss = apollo.model().reference_loss(&data, &device);
        let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
        apollo.update(&mut optim, 0.1, grads).unwrap();
    }
    let model = apollo.into_inner().unwrap();
    assert_eq!(model.stacks()[0].unique_layers(), 12);
    (config, model, data)
}

/// Two rows of 16 bytes, of which BERT is to predict every third.
fn batch() -> Cases {
    let byte = |i: i64| 32 + (i * i * 7 + i * 31) % 95;
    let row = |from: i64| (from..from + 16).map(byte).collect::<Vec<_>>();
    let input_ids = vec![row(0), row(100)];
    let label = |(i, id): (usize, &i64)| if i.is_multiple_of(3) { *id } else { -100 };
    let labels = input_ids.iter().map(|row| row.iter().enumerate().map(label).collect());
    Cases { labels: labels.collect(), input_ids, unique_layers: 12, cases: Vec::new() }
}

/// Weights that follow from their order in the model.
#[derive(Default)]
struct Determined {
    path: Vec<String>,
    count: usize,
}

impl ModuleMapper for Determined {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (shape, device) = (param.lazy_shape(), param.lazy_device());
        let gamma = self.path.last().is_some_and(|name| name == "gamma");
        let mut value = || {
            self.count += 1;
            let x = (self.count as f64 * 12.9898).sin() * 437.585;
            let x = (x - x.floor() - 0.5) as f32 * 0.4;
            if gamma { 1.0 + x } else { x }
        };
        let values: Vec<f32> = (0..shape.num_elements()).map(|_| value()).collect();
        Param::from_data(TensorData::new(values, shape), &device)
    }
}

/// What `transformers` computed from the exports of these tests.
#[derive(Deserialize)]
struct Recorded {
    gpt2: Logits,
    bert: Logits,
}

/// Logits after the first and after the last token.
#[derive(Deserialize)]
struct Logits {
    first: Vec<f64>,
    last: Vec<f64>,
}

fn recorded() -> Recorded {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hugging_face/logits.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Exports the trained model to where the script finds it, and compares what the re-imported one computes
/// with what `transformers` computed.
fn transformers_computes_the_same<K: Kind>(recorded: &Logits) {
    let (config, model, data) = trained::<K>();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hugging_face").join(K::FOLDER);
    K::export(&config, &model, &dir).unwrap();

    let device = Device::flex();
    let (read, again) = K::import(&dir, &device).unwrap();
    assert_eq!(format!("{read:?}"), format!("{config:?}"));
    assert_eq!(bits(&again), bits(&model), "parameters");

    let logits = again.logits(tokens(&data.input_ids, &device));
    let rows: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let rows: Vec<&[f32]> = rows.chunks(256).collect();
    let check = json!({"input_ids": data.input_ids, "logits": rows});
    std::fs::write(dir.join("check.json"), check.to_string()).unwrap();
    for (row, expected) in [(rows[0], &recorded.first), (rows[31], &recorded.last)] {
        assert_eq!(row.len(), expected.len());
        for (found, expected) in row.iter().zip(expected) {
            close(f64::from(*found), *expected, 1e-4, 1.0, K::FOLDER);
        }
    }
}

#[test]
fn transformers_computes_the_same_with_an_exported_gpt2() {
    transformers_computes_the_same::<Gpt>(&recorded().gpt2);
}

#[test]
fn transformers_computes_the_same_with_an_exported_bert() {
    transformers_computes_the_same::<Bert>(&recorded().bert);
}

/// An imported model is grown from one of its layers, as any other.
#[test]
fn an_imported_model_may_be_shortened_and_grown() {
    let device = Device::flex().autodiff();
    let dir = tempfile::tempdir().unwrap();
    let (config, model, _) = trained::<Bert>();
    Bert::export(&config, &model, dir.path()).unwrap();
    let (_, model) = Bert::import(dir.path(), &device).unwrap();
    let apollo = Apollo::new(model, Plan::new(20)).unwrap();
    assert_eq!(apollo.registry().stacks[0].order, [0]);
    match Bert::export(&config, apollo.model(), dir.path()) {
        Err(Failure::Usage(message)) => {
            assert!(message.contains("the number of layers is 1"), "{message}")
        }
        other => panic!("{other:?}"),
    }
    let grown = apollo.into_partly_trained().unwrap();
    Bert::export(&config, &grown, dir.path()).unwrap();
    let (_, again) = Bert::import(dir.path(), &device).unwrap();
    assert_eq!(bits(&again), bits(&grown));
}
