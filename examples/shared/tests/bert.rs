//! What the references do not show of the BERT of the examples: dropout, labels that do not count, and
//! attention to the whole sequence.

use apollo_examples::models::bert::{Bert, BertConfig};
use burn::module::Module;
use burn::store::{ModuleSnapshot, bridge};
use burn::tensor::{Device, Int, Tensor};

const VOCABULARY: usize = 20;

fn model(dropout: f64, device: &Device) -> Bert {
    let config = BertConfig {
        vocabulary: VOCABULARY,
        positions: 8,
        token_types: 2,
        width: 8,
        heads: 2,
        layers: 2,
        dropout,
        std: 0.5,
    };
    config.init(device)
}

fn row(ids: [i64; 6], device: &Device) -> Tensor<2, Int> {
    Tensor::from_ints([ids], device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
fn dropout_acts_in_training_alone() {
    let device = Device::flex().autodiff();
    let ids = row([1, 2, 3, 4, 5, 6], &device);
    let dropping = model(0.5, &device);
    assert_ne!(values(dropping.forward(ids.clone())), values(dropping.forward(ids.clone())));

    let (valid, ids) = (dropping.valid(), ids.inner());
    assert_eq!(values(valid.forward(ids.clone())), values(valid.forward(ids.clone())));
    let whole = model(0.0, &device.inner()).load_record(valid.clone().into_record());
    assert_eq!(values(whole.forward(ids.clone())), values(valid.forward(ids)));
}

#[test]
fn positions_without_a_label_do_not_count() {
    let device = Device::flex();
    let model = model(0.0, &device);
    let ids = row([1, 0, 3, 4, 0, 6], &device);
    let log_softmax = |logits: &[f32], label: usize| {
        let sum: f32 = logits.iter().map(|x| x.exp()).sum();
        logits[label] - sum.ln()
    };
    let logits = values(model.forward(ids.clone()));
    let at = |i: usize| &logits[i * VOCABULARY..(i + 1) * VOCABULARY];
    let expected = -(log_softmax(at(1), 2) + log_softmax(at(4), 0)) / 2.0;

    let loss = model.loss(ids.clone(), row([-100, 2, -1, -100, 0, -100], &device));
    let found = loss.into_scalar::<f32>();
    assert!((found - expected).abs() < 1e-5, "{found} against {expected}");
    let nothing = model.loss(ids, row([-100; 6], &device)).into_scalar::<f32>();
    assert_eq!(nothing, 0.0);
}

#[test]
fn every_position_sees_the_whole_sequence() {
    let device = Device::flex();
    let model = model(0.0, &device);
    let first = |ids| values(model.forward(row(ids, &device)))[..VOCABULARY].to_vec();
    assert_ne!(first([1, 2, 3, 4, 5, 6]), first([1, 2, 3, 4, 5, 7]));
}

#[test]
fn biases_start_at_zero() {
    let tensors = model(0.0, &Device::flex()).collect(None, None, false);
    let biases: Vec<_> = tensors.iter().filter(|tensor| tensor.name.ends_with("bias")).collect();
    assert_eq!(biases.len(), 2 * 6 + 2);
    for bias in biases {
        let data = bridge::to_data(bias).unwrap();
        assert!(data.iter::<f32>().all(|x| x == 0.0), "{}", bias.name);
    }
}
