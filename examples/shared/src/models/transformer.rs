//! Parts of pre-norm transformers: attention, to a sequence itself or to another one, and the MLP.
//!
//! Sequences are rows `[batch · length, width]`, as in [`gpt`](super::gpt).

use burn::module::Module;
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig,
    Linear, LinearConfig,
};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor};

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
        let [rows, width] = x.dims();
        let (from, to) = (rows / batch, memory.dims()[0] / batch);
        let (heads, size) = (self.heads, width / self.heads);
        let query = self.query.forward(x).reshape([batch, from, heads, size]).swap_dims(1, 2);
        let memory = self.key_value.forward(memory).reshape([batch, to, 2, heads, size]);
        let part = |i: usize| memory.clone().narrow(2, i, 1).squeeze_dim::<4>(2).swap_dims(1, 2);
        let scores = query.matmul(part(0).transpose()).div_scalar((size as f64).sqrt());
        let scores = match hidden {
            Some(hidden) => {
                let hidden = hidden.clone().unsqueeze_dim::<4>(1).expand([batch, heads, from, to]);
                scores.mask_fill(hidden, f32::NEG_INFINITY)
            }
            None => scores,
        };
        let weights = self.weights_dropout.forward(softmax(scores, 3));
        let mixed = weights.matmul(part(1)).swap_dims(1, 2).reshape([rows, width]);
        self.dropout.forward(self.output.forward(mixed))
    }
}

impl Mlp {
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.dropout.forward(self.output.forward(gelu(self.hidden.forward(x))))
    }
}
