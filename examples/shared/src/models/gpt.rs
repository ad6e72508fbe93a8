//! A decoder-only transformer with the architecture of GPT-2 and its parameter names.
//!
//! Source: Radford et al. 2019 and the released checkpoints: pre-norm blocks, learned positions, the
//! tanh approximation of GELU, output weights tied to the token embedding.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig,
    Linear, LinearConfig,
};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_apollo::growable;
use burn_apollo::stack::LayerStack;

/// The shape of a [`Gpt`].
#[derive(Debug, Clone, Copy)]
pub struct GptConfig {
    pub vocabulary: usize,
    pub positions: usize,
    pub width: usize,
    pub heads: usize,
    pub layers: usize,
    /// Standard deviation of the embeddings at initialisation; GPT-2: 0.02.
    pub embedding_std: f64,
    /// Standard deviation of the other weights; GPT-2: 0.02. Projections into the residual stream are
    /// further divided by √(2·layers), as there. Biases start at zero.
    pub linear_std: f64,
    /// Probability of dropout at the embeddings, the attention weights and both residual branches; GPT-2: 0.1.
    pub dropout: f64,
}

#[derive(Module, Debug)]
pub struct Gpt {
    wte: Embedding,
    pub wpe: Embedding,
    drop: Dropout,
    pub h: LayerStack<Block>,
    ln_f: LayerNorm,
}

#[derive(Module, Debug)]
pub struct Block {
    ln_1: LayerNorm,
    attn: Attention,
    ln_2: LayerNorm,
    mlp: Mlp,
}

#[derive(Module, Debug)]
struct Attention {
    c_attn: Linear,
    c_proj: Linear,
    attn_dropout: Dropout,
    resid_dropout: Dropout,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct Mlp {
    c_fc: Linear,
    c_proj: Linear,
    dropout: Dropout,
}

growable!(Gpt { h });

/// The last parameters of a block's residual branches: where they are zero, it is the identity.
pub const OUTPUT_PROJECTIONS: [&str; 2] = ["attn.c_proj", "mlp.c_proj"];

impl GptConfig {
    pub fn init(self, device: &Device) -> Gpt {
        let embedding = |n| {
            EmbeddingConfig::new(n, self.width)
                .with_initializer(normal(self.embedding_std))
                .init(device)
        };
        let on = device.clone();
        Gpt {
            wte: embedding(self.vocabulary),
            wpe: embedding(self.positions),
            drop: self.dropout(),
            h: LayerStack::from_fn(self.layers, move |_| self.block(&on)),
            ln_f: self.norm(device),
        }
    }

    fn block(&self, device: &Device) -> Block {
        let linear = |from, to, std| {
            let linear = LinearConfig::new(from, to).with_initializer(normal(std)).init(device);
            Linear { bias: Some(Initializer::Zeros.init([to], device)), ..linear }
        };
        let (width, std) = (self.width, self.linear_std);
        let residual = std / (2.0 * self.layers as f64).sqrt();
        Block {
            ln_1: self.norm(device),
            attn: Attention {
                c_attn: linear(width, 3 * width, std),
                c_proj: linear(width, width, residual),
                attn_dropout: self.dropout(),
                resid_dropout: self.dropout(),
                heads: self.heads,
            },
            ln_2: self.norm(device),
            mlp: Mlp {
                c_fc: linear(width, 4 * width, std),
                c_proj: linear(4 * width, width, residual),
                dropout: self.dropout(),
            },
        }
    }

    fn dropout(&self) -> Dropout {
        DropoutConfig::new(self.dropout).init()
    }

    fn norm(&self, device: &Device) -> LayerNorm {
        LayerNormConfig::new(self.width).with_epsilon(1e-5).init(device)
    }
}

fn normal(std: f64) -> Initializer {
    Initializer::Normal { mean: 0.0, std }
}

impl Gpt {
    /// Logits `[batch · seq, vocabulary]` for token ids `[batch, seq]`.
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let [batch, seq] = ids.dims();
        let device = ids.device();
        let positions = Tensor::arange(0..seq as i64, &device).unsqueeze::<2>();
        let x = self.drop.forward(self.wte.forward(ids) + self.wpe.forward(positions));
        let width = x.dims()[2];
        let mut x = x.reshape([batch * seq, width]);
        let future: Tensor<2, Bool> = Tensor::tril_mask([seq, seq], 0, &device);
        for block in &self.h {
            x = block.forward(x, &future, batch);
        }
        self.ln_f.forward(x).matmul(self.wte.weight.val().transpose())
    }

    /// Mean cross-entropy in nats of predicting `targets` `[batch, seq]` from `inputs` `[batch, seq]`.
    pub fn loss(&self, inputs: Tensor<2, Int>, targets: Tensor<2, Int>) -> Tensor<1> {
        let logits = self.forward(inputs);
        let device = logits.device();
        CrossEntropyLossConfig::new().init(&device).forward(logits, targets.flatten(0, 1))
    }
}

impl Block {
    fn forward(&self, x: Tensor<2>, future: &Tensor<2, Bool>, batch: usize) -> Tensor<2> {
        let x = x.clone() + self.attn.forward(self.ln_1.forward(x), future, batch);
        let hidden = gelu(self.mlp.c_fc.forward(self.ln_2.forward(x.clone())));
        x + self.mlp.dropout.forward(self.mlp.c_proj.forward(hidden))
    }
}

impl Attention {
    fn forward(&self, x: Tensor<2>, future: &Tensor<2, Bool>, batch: usize) -> Tensor<2> {
        let [rows, width] = x.dims();
        let (seq, size) = (rows / batch, width / self.heads);
        let qkv = self.c_attn.forward(x).reshape([batch, seq, 3, self.heads, size]);
        let part = |i: usize| qkv.clone().narrow(2, i, 1).squeeze_dim::<4>(2).swap_dims(1, 2);
        let scores = part(0).matmul(part(1).transpose()).div_scalar((size as f64).sqrt());
        let mask = future.clone().reshape([1, 1, seq, seq]).expand([batch, self.heads, seq, seq]);
        let weights = softmax(scores.mask_fill(mask, f32::NEG_INFINITY), 3);
        let weights = self.attn_dropout.forward(weights);
        let mixed = weights.matmul(part(2)).swap_dims(1, 2).reshape([rows, width]);
        self.resid_dropout.forward(self.c_proj.forward(mixed))
    }
}

/// GPT-2's GELU, `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`, by `(1 + tanh z)/2 = sigmoid(2z)`.
///
/// Burn's `gelu_approximate` takes the cube by `powf` and calls `tanh`; a training step on the CPU
/// spends a quarter of its time there.
pub(super) fn gelu(x: Tensor<2>) -> Tensor<2> {
    let slope = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let square = x.clone() * x.clone();
    let z = (square.mul_scalar(0.044715 * slope) + slope) * x.clone();
    x * sigmoid(z)
}
