use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep};
use burn_apollo::growable;
use burn_apollo::stack::LayerStack;

const WIDTH: usize = 16;
const BATCH: usize = 32;

/// A residual layer of [`Net`].
#[derive(Module, Debug)]
pub struct Block {
    hidden: Linear,
    output: Linear,
}

impl Block {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.output.forward(self.hidden.forward(x).tanh())
    }
}

/// The tutorial's model: eight residual layers that learn waves.
#[derive(Module, Debug)]
pub struct Net {
    /// Its layers.
    pub blocks: LayerStack<Block>,
}

growable!(Net { blocks });

impl Net {
    /// With weights that the device draws.
    pub fn new(device: &Device) -> Self {
        let linear = || LinearConfig::new(WIDTH, WIDTH).init(device);
        let block = |_| Block { hidden: linear(), output: linear() };
        Self { blocks: (0..8).map(block).collect() }
    }

    /// The mean squared error at points, `[1]`.
    pub fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        self.output(x).loss
    }

    fn output(&self, x: Tensor<2>) -> RegressionOutput {
        let waves = (x.clone() * 2.0).sin() + x.clone().mean_dim(1).cos();
        let y = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let loss = (y.clone() - waves.clone()).powi_scalar(2).mean();
        RegressionOutput::new(loss, y, waves)
    }
}

impl TrainStep for Net {
    type Input = Tensor<2>;
    type Output = RegressionOutput;

    fn step(&self, x: Tensor<2>) -> TrainOutput<RegressionOutput> {
        let output = self.output(x);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = Tensor<2>;
    type Output = RegressionOutput;

    fn step(&self, x: Tensor<2>) -> RegressionOutput {
        self.output(x)
    }
}

/// The points of a step, a function of its number.
pub fn points(step: u64, device: &Device) -> Tensor<2> {
    let value = |i: usize| (12.9898 * (i as f64 + 512.0 * step as f64)).sin() * 43758.5453;
    let values: Vec<f64> = (0..BATCH * WIDTH).map(|i| 2.0 * value(i).fract()).collect();
    Tensor::<1>::from_floats(values.as_slice(), device).reshape([BATCH, WIDTH])
}

/// Makes batches of rows.
pub struct Rows;

impl Batcher<[f32; WIDTH], Tensor<2>> for Rows {
    fn batch(&self, rows: Vec<[f32; WIDTH]>, device: &Device) -> Tensor<2> {
        let values = rows.as_flattened();
        Tensor::<1>::from_floats(values, device).reshape([rows.len(), WIDTH])
    }
}

/// 64 rows in batches of 32, for burn-train.
pub fn loader() -> Arc<dyn DataLoader<Tensor<2>>> {
    let value = |i: usize| (0.7 * i as f32).sin();
    let row = |i: usize| core::array::from_fn(|j| value(WIDTH * i + j));
    let rows = InMemDataset::new((0..2 * BATCH).map(row).collect());
    DataLoaderBuilder::new(Rows).batch_size(BATCH).build(rows)
}
