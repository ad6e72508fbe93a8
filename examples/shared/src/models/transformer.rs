//! Parts of pre-norm transformers: attention, to a sequence itself or to another one, and the MLP.
//!
//! Sequences are rows `[batch · length, width]`, as in [`gpt`](super::gpt).

use burn::module::Module;
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig,
    Linear, LinearConfig,
};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::gpt::gelu;
use crate::{Failure, usage};

/// The shape of a transformer's layers.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub width: usize,
    pub heads: usize,
    /// Residual branches of the deepest stack: projections into the residual stream begin smaller by its root.
    pub branches: usize,
    /// Probability of dropout at the attention weights and the residual branches.
    pub dropout: f64,
}

/// Attention of several heads.
#[derive(Module, Debug)]
pub struct Attention {
    query: Linear,
    key_value: Linear,
    output: Linear,
    weights_dropout: Dropout,
    dropout: Dropout,
    #[module(skip)]
    heads: usize,
}

/// Rotary positions: queries and keys are turned by angles that grow with their place, so that a product of the two tells how far
/// apart they are.
///
/// Source: Su et al. 2021 (arXiv 2104.09864).
#[derive(Debug, Clone)]
pub struct Rotary {
    /// `[1, 1, length, size of a head]`
    cos: Tensor<4>,
    /// As `cos`; negative in the first half of a head.
    sin: Tensor<4>,
}

/// The slowest angle grows by nearly one part in so many with every place.
const ROTARY_BASE: f64 = 10_000.0;

#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Linear,
    output: Linear,
    dropout: Dropout,
}

/// The last parameters of the residual branches of blocks made of these parts: where they are zero, a block is the identity.
pub const OUTPUT_PROJECTIONS: [&str; 1] = ["output"];

/// A block that sees the whole of its sequence.
#[derive(Module, Debug)]
pub struct EncoderBlock {
    norm_1: LayerNorm,
    attention: Attention,
    norm_2: LayerNorm,
    mlp: Mlp,
}

impl Shape {
    /// Checks what the options cannot check one by one.
    pub fn check(width: u32, heads: u32) -> Result<(), Failure> {
        match width.is_multiple_of(heads) {
            true => Ok(()),
            false => Err(usage(format!("--heads {heads} must divide --width {width}"))),
        }
    }

    pub fn encoder_block(&self, device: &Device) -> EncoderBlock {
        EncoderBlock {
            norm_1: self.norm(device),
            attention: self.attention(device),
            norm_2: self.norm(device),
            mlp: self.mlp(device),
        }
    }

    pub fn attention(&self, device: &Device) -> Attention {
        Attention {
            query: self.linear(self.width, self.width, device),
            key_value: self.linear(self.width, 2 * self.width, device),
            output: self.residual(self.width, device),
            weights_dropout: self.dropout(),
            dropout: self.dropout(),
            heads: self.heads,
        }
    }

    pub fn mlp(&self, device: &Device) -> Mlp {
        Mlp {
            hidden: self.linear(self.width, 4 * self.width, device),
            output: self.residual(4 * self.width, device),
            dropout: self.dropout(),
        }
    }

    pub fn norm(&self, device: &Device) -> LayerNorm {
        LayerNormConfig::new(self.width).with_epsilon(1e-5).init(device)
    }

    /// A table of `rows` learned vectors, as large as the rows that go into the first block beside it.
    pub fn embedding(&self, rows: usize, device: &Device) -> Embedding {
        EmbeddingConfig::new(rows, self.width).with_initializer(normal(0.5)).init(device)
    }

    pub fn linear(&self, from: usize, to: usize, device: &Device) -> Linear {
        self.scaled(from, to, 1.0, device)
    }

    fn residual(&self, from: usize, device: &Device) -> Linear {
        self.scaled(from, self.width, (self.branches as f64).sqrt().recip(), device)
    }

    /// Weights that keep the variance of their `from` inputs, times `scale` squared.
    fn scaled(&self, from: usize, to: usize, scale: f64, device: &Device) -> Linear {
        let std = scale * (from as f64).sqrt().recip();
        LinearConfig::new(from, to).with_initializer(normal(std)).init(device)
    }

    pub fn dropout(&self) -> Dropout {
        DropoutConfig::new(self.dropout).init()
    }
}

fn normal(std: f64) -> Initializer {
    Initializer::Normal { mean: 0.0, std }
}

impl EncoderBlock {
    /// `hidden` marks the places that are not attended to, as in [`Attention::forward`].
    pub fn forward(
        &self,
        x: Tensor<2>,
        hidden: Option<&Tensor<3, Bool>>,
        batch: usize,
    ) -> Tensor<2> {
        let y = self.norm_1.forward(x.clone());
        let x = x + self.attention.forward(y.clone(), y, hidden, batch);
        x.clone() + self.mlp.forward(self.norm_2.forward(x))
    }
}

impl Attention {
    /// What the rows of `x` find in those of `memory`, where `hidden` (`[batch, x, memory]`, of which the first
    /// two may be 1) does not hide them.
    pub fn forward(
        &self,
        x: Tensor<2>,
        memory: Tensor<2>,
        hidden: Option<&Tensor<3, Bool>>,
        batch: usize,
    ) -> Tensor<2> {
        let [query, key, value] = self.parts(x, memory, batch);
        self.mix(query, key, value, hidden)
    }

    /// What the rows of `x` find among themselves, told apart by `positions`.
    pub fn rotary(
        &self,
        x: Tensor<2>,
        positions: &Rotary,
        hidden: Option<&Tensor<3, Bool>>,
        batch: usize,
    ) -> Tensor<2> {
        let [query, key, value] = self.parts(x.clone(), x, batch);
        self.mix(positions.turn(query), positions.turn(key), value, hidden)
    }

    /// Queries of `x`, keys and values of `memory`: `[batch, heads, rows, size of a head]`.
    fn parts(&self, x: Tensor<2>, memory: Tensor<2>, batch: usize) -> [Tensor<4>; 3] {
        let [rows, width] = x.dims();
        let (from, to) = (rows / batch, memory.dims()[0] / batch);
        let (heads, size) = (self.heads, width / self.heads);
        let query = self.query.forward(x).reshape([batch, from, heads, size]).swap_dims(1, 2);
        let memory = self.key_value.forward(memory).reshape([batch, to, 2, heads, size]);
        let part = |i: usize| memory.clone().narrow(2, i, 1).squeeze_dim::<4>(2).swap_dims(1, 2);
        [query, part(0), part(1)]
    }

    fn mix(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        hidden: Option<&Tensor<3, Bool>>,
    ) -> Tensor<2> {
        let [batch, heads, from, size] = query.dims();
        let to = key.dims()[2];
        let scores = query.matmul(key.transpose()).div_scalar((size as f64).sqrt());
        let scores = match hidden {
            Some(hidden) => {
                let hidden = hidden.clone().unsqueeze_dim::<4>(1).expand([batch, heads, from, to]);
                scores.mask_fill(hidden, f32::NEG_INFINITY)
            }
            None => scores,
        };
        let weights = self.weights_dropout.forward(softmax(scores, 3));
        let mixed = weights.matmul(value).swap_dims(1, 2).reshape([batch * from, heads * size]);
        self.dropout.forward(self.output.forward(mixed))
    }
}

impl Rotary {
    /// For the first `length` places and heads of `size` numbers, which must be even.
    pub fn new(length: usize, size: usize, device: &Device) -> Self {
        let angle = |place: usize, i: usize| {
            let turns = (2 * (i % (size / 2))) as f64 / size as f64;
            place as f64 * ROTARY_BASE.powf(-turns)
        };
        let table = |of: &dyn Fn(usize, f64) -> f64| {
            let places = (0..length).flat_map(|place| (0..size).map(move |i| (place, i)));
            let values: Vec<f32> = places.map(|(place, i)| of(i, angle(place, i)) as f32).collect();
            Tensor::from_data(TensorData::new(values, [1, 1, length, size]), device)
        };
        let sign = |i: usize| if i < size / 2 { -1.0 } else { 1.0 };
        Self { cos: table(&|_, angle| angle.cos()), sin: table(&|i, angle| sign(i) * angle.sin()) }
    }

    /// Turns each number of the first half of a head together with that of the second, by the angle of their place.
    fn turn(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let part = |begin: usize| x.clone().narrow(3, begin, half);
        let swapped = Tensor::cat(vec![part(half), part(0)], 3);
        x * self.cos.clone() + swapped * self.sin.clone()
    }
}

impl Mlp {
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.dropout.forward(self.output.forward(gelu(self.hidden.forward(x))))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    /// The product of a turned query and a turned key is the same wherever both are, and another at another distance.
    #[test]
    fn rotary_positions_tell_distances_and_no_places() {
        let (length, size, device) = (6, 8, Device::flex());
        let vector = || Tensor::<4>::random([1, 1, 1, size], Distribution::Default, &device);
        let positions = Rotary::new(length, size, &device);
        let at_all_places = |x: Tensor<4>| positions.turn(x.expand([1, 1, length, size]));
        let (query, key) = (at_all_places(vector()), at_all_places(vector()));
        let products = query.matmul(key.transpose()).into_data().try_to_vec::<f32>().unwrap();
        let product = |from: usize, to: usize| products[from * length + to];
        for distance in 0..length {
            for place in distance..length {
                let (found, expected) = (product(place, place - distance), product(distance, 0));
                assert!((found - expected).abs() < 1e-5, "{distance}: {found} and {expected}");
            }
        }
        assert!((product(1, 0) - product(0, 1)).abs() > 1e-3, "{products:?}");
        assert!((product(1, 0) - product(2, 0)).abs() > 1e-3, "{products:?}");
    }

    /// The first numbers of both halves turn by one radian a place.
    #[test]
    fn rotary_positions_turn_the_halves_of_a_head_together() {
        let device = Device::flex();
        let x = Tensor::<1>::from_floats([1.0, 0.0, 0.0, 0.0], &device).reshape([1, 1, 1, 4]);
        let turned = Rotary::new(2, 4, &device).turn(x.expand([1, 1, 2, 4]));
        let found = turned.into_data().try_to_vec::<f32>().unwrap();
        let expected = [1.0, 0.0, 0.0, 0.0, 1_f32.cos(), 0.0, 1_f32.sin(), 0.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }
}
