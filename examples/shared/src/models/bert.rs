//! A masked language model with the architecture of BERT and its parameter names.
//!
//! Source: Devlin et al. 2019 and the released checkpoints: post-norm layers, learned positions, GELU by
//! the error function, a head whose output weights are tied to the word embedding. Attention sees the
//! whole sequence.

use burn::module::{Module, Param};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig,
    Linear, LinearConfig,
};
use burn::tensor::activation::{gelu, log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor};
use burn_apollo::growable;
use burn_apollo::stack::LayerStack;

/// The shape of a [`Bert`]. Its feed-forward layers are four times as wide as the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BertConfig {
    pub vocabulary: usize,
    pub positions: usize,
    /// Kinds of segment; BERT: 2. Every token here is of the first kind.
    pub token_types: usize,
    pub width: usize,
    pub heads: usize,
    pub layers: usize,
    /// Probability in `[0, 1)` with which training drops an activation or attention weight; BERT: 0.1.
    pub dropout: f64,
    /// Standard deviation of embeddings and weights at initialisation; BERT: 0.02. Biases start at zero.
    pub std: f64,
}

#[derive(Module, Debug)]
pub struct Bert {
    embeddings: Embeddings,
    pub layer: LayerStack<Layer>,
    head: Head,
}

#[derive(Module, Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    layer_norm: LayerNorm,
    dropout: Dropout,
}

#[derive(Module, Debug)]
pub struct Layer {
    attention: Attention,
    intermediate: Linear,
    output: Output,
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    dropout: Dropout,
    output: Output,
    #[module(skip)]
    heads: usize,
}

/// A projection into the residual stream and the norm that follows it.
#[derive(Module, Debug)]
struct Output {
    dense: Linear,
    dropout: Dropout,
    layer_norm: LayerNorm,
}

/// What predicts tokens, beside the word embedding.
#[derive(Module, Debug)]
struct Head {
    transform: Transform,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Transform {
    dense: Linear,
    layer_norm: LayerNorm,
}

growable!(Bert { layer });

impl BertConfig {
    pub fn init(self, device: &Device) -> Bert {
        let on = device.clone();
        Bert {
            embeddings: Embeddings {
                word_embeddings: self.embedding(self.vocabulary, device),
                position_embeddings: self.embedding(self.positions, device),
                token_type_embeddings: self.embedding(self.token_types, device),
                layer_norm: self.norm(device),
                dropout: self.dropout(),
            },
            layer: LayerStack::from_fn(self.layers, move |_| self.layer(&on)),
            head: Head {
                transform: Transform {
                    dense: self.linear(self.width, self.width, device),
                    layer_norm: self.norm(device),
                },
                bias: Initializer::Zeros.init([self.vocabulary], device),
            },
        }
    }

    fn layer(&self, device: &Device) -> Layer {
        let (width, wide) = (self.width, 4 * self.width);
        Layer {
            attention: Attention {
                query: self.linear(width, width, device),
                key: self.linear(width, width, device),
                value: self.linear(width, width, device),
                dropout: self.dropout(),
                output: self.output(width, device),
                heads: self.heads,
            },
            intermediate: self.linear(width, wide, device),
            output: self.output(wide, device),
        }
    }

    fn output(&self, from: usize, device: &Device) -> Output {
        Output {
            dense: self.linear(from, self.width, device),
            dropout: self.dropout(),
            layer_norm: self.norm(device),
        }
    }

    fn embedding(&self, count: usize, device: &Device) -> Embedding {
        EmbeddingConfig::new(count, self.width).with_initializer(self.normal()).init(device)
    }

    fn linear(&self, from: usize, to: usize, device: &Device) -> Linear {
        let linear = LinearConfig::new(from, to).with_initializer(self.normal()).init(device);
        Linear { bias: Some(Initializer::Zeros.init([to], device)), ..linear }
    }

    fn norm(&self, device: &Device) -> LayerNorm {
        LayerNormConfig::new(self.width).with_epsilon(1e-12).init(device)
    }

    fn dropout(&self) -> Dropout {
        DropoutConfig::new(self.dropout).init()
    }

    fn normal(&self) -> Initializer {
        Initializer::Normal { mean: 0.0, std: self.std }
    }
}

impl Bert {
    /// Logits `[batch · seq, vocabulary]` for token ids `[batch, seq]`.
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let [batch, _] = ids.dims();
        let mut x = self.embeddings.forward(ids);
        for layer in &self.layer {
            x = layer.forward(x, batch);
        }
        let x = self.head.transform.forward(x);
        let words = self.embeddings.word_embeddings.weight.val();
        x.matmul(words.transpose()) + self.head.bias.val().unsqueeze()
    }

    /// Mean cross-entropy in nats of predicting `labels` `[batch, seq]` from `inputs` `[batch, seq]`.
    /// Positions with a negative label (by convention −100) do not count; without any other it is zero.
    pub fn loss(&self, inputs: Tensor<2, Int>, labels: Tensor<2, Int>) -> Tensor<1> {
        let labels: Tensor<2, Int> = labels.flatten::<1>(0, 1).unsqueeze_dim(1);
        let counted = labels.clone().greater_equal_scalar(0);
        let log_probabilities = log_softmax(self.forward(inputs), 1);
        let predicted = log_probabilities.gather(1, labels.clamp_min(0));
        let sum = predicted.mask_fill(counted.clone().bool_not(), 0.0).sum();
        sum.neg() / counted.float().sum().clamp_min(1.0)
    }
}

impl Embeddings {
    /// `[batch · seq, width]` for token ids `[batch, seq]`.
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let [_, seq] = ids.dims();
        let positions = Tensor::arange(0..seq as i64, &ids.device()).unsqueeze::<2>();
        let first_type: Tensor<2, Int> = Tensor::zeros([1, 1], &ids.device());
        let x = self.word_embeddings.forward(ids)
            + self.position_embeddings.forward(positions)
            + self.token_type_embeddings.forward(first_type);
        self.dropout.forward(self.layer_norm.forward(x.flatten(0, 1)))
    }
}

impl Layer {
    fn forward(&self, x: Tensor<2>, batch: usize) -> Tensor<2> {
        let x = self.attention.forward(x, batch);
        let hidden = gelu(self.intermediate.forward(x.clone()));
        self.output.forward(hidden, x)
    }
}

impl Attention {
    fn forward(&self, x: Tensor<2>, batch: usize) -> Tensor<2> {
        let [rows, width] = x.dims();
        let (seq, size) = (rows / batch, width / self.heads);
        let split = |linear: &Linear| {
            linear.forward(x.clone()).reshape([batch, seq, self.heads, size]).swap_dims(1, 2)
        };
        let scores = split(&self.query).matmul(split(&self.key).transpose());
        let weights = self.dropout.forward(softmax(scores.div_scalar((size as f64).sqrt()), 3));
        let mixed = weights.matmul(split(&self.value)).swap_dims(1, 2).reshape([rows, width]);
        self.output.forward(mixed, x)
    }
}

impl Output {
    fn forward(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        self.layer_norm.forward(self.dropout.forward(self.dense.forward(x)) + residual)
    }
}

impl Transform {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layer_norm.forward(gelu(self.dense.forward(x)))
    }
}
