//! Two spirals, their loaders, and what both trainings share.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::prelude::*;
use burn::tensor::TensorReadError;
use burn::train::ClassificationOutput;

pub const EPOCHS: usize = 60;
pub const BATCHES: usize = 8;
pub const ITEMS: usize = BATCHES * BATCH;
const BATCH: usize = 64;

/// Points of the plane `[batch, 2]` and the spiral that each is on `[batch]`.
#[derive(Clone, Debug)]
pub struct Points {
    positions: Tensor<2>,
    spirals: Tensor<1, Int>,
}

impl Points {
    pub fn classify(self, forward: impl Fn(Tensor<2>) -> Tensor<2>) -> ClassificationOutput {
        let logits = forward(self.positions);
        let loss = CrossEntropyLossConfig::new()
            .init(&logits.device())
            .forward(logits.clone(), self.spirals.clone());
        ClassificationOutput::new(loss, logits, self.spirals)
    }
}

/// A point and its spiral.
pub type Item = ([f32; 2], i32);

/// Point `i`: three turns, with a little noise that follows from `i`.
fn point(i: usize) -> Item {
    let (spiral, along) = (i % 2, (i * 7919 % 1009) as f32 / 1009.0);
    let angle = along * 9.0 + spiral as f32 * std::f32::consts::PI;
    let noise =
        |salt: usize| (((i * 31 + salt) * 2654435761 % 10007) as f32 / 10007.0 - 0.5) * 0.04;
    let radius = 0.1 + along;
    ([radius * angle.cos() + noise(1), radius * angle.sin() + noise(2)], spiral as i32)
}

fn items(range: std::ops::Range<usize>) -> Vec<Item> {
    range.map(point).collect()
}

/// Makes batches of points.
#[derive(Clone)]
pub struct ToPoints;

impl Batcher<Item, Points> for ToPoints {
    fn batch(&self, items: Vec<Item>, device: &Device) -> Points {
        let positions: Vec<f32> = items.iter().flat_map(|(position, _)| *position).collect();
        let spirals: Vec<i32> = items.iter().map(|(_, spiral)| *spiral).collect();
        Points {
            positions: Tensor::from_data(TensorData::new(positions, [items.len(), 2]), device),
            spirals: Tensor::from_data(TensorData::new(spirals, [items.len()]), device),
        }
    }
}

fn loader(dataset: InMemDataset<Item>) -> Arc<dyn DataLoader<Points>> {
    DataLoaderBuilder::new(ToPoints).batch_size(BATCH).shuffle(3).build(dataset)
}

/// The points to train on.
pub fn dataset() -> InMemDataset<Item> {
    InMemDataset::new(items(0..ITEMS))
}

pub fn train() -> Arc<dyn DataLoader<Points>> {
    loader(dataset())
}

pub fn valid() -> Arc<dyn DataLoader<Points>> {
    loader(InMemDataset::new(items(5000..5000 + BATCH)))
}

/// The share of unseen points that `forward` puts on the right spiral.
pub fn accuracy(
    device: &Device,
    forward: impl Fn(Tensor<2>) -> Tensor<2>,
) -> Result<f64, TensorReadError> {
    let points = ToPoints.batch(items(6000..7000), device);
    let found = forward(points.positions).argmax(1).squeeze_dim::<1>(1);
    let right = found.equal(points.spirals).int().sum().try_into_scalar::<i64>()?;
    Ok(right as f64 / 1000.0)
}
