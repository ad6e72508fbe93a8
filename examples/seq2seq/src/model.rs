//! An encoder and a decoder, each a stack of its own.
//!
//! Source: Vaswani et al. 2017 (arXiv 1706.03762), with pre-norm blocks and learned positions.

use apollo_examples::models::transformer::{Attention, EncoderBlock, Mlp, Shape};
use burn::module::Module;
use burn::nn::{Dropout, Embedding, LayerNorm, Linear};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_apollo::growable;
use burn_apollo::stack::LayerStack;

use crate::data::{Source, VOCABULARY};

/// The shape of a [`Seq2Seq`].
#[derive(Debug, Clone, Copy)]
pub struct Seq2SeqConfig {
    pub encoder_layers: usize,
    pub decoder_layers: usize,
    /// Most tokens of a source; an answer has one more, its end.
    pub length: usize,
    pub shape: Shape,
}

#[derive(Module, Debug)]
pub struct Seq2Seq {
    tokens: Embedding,
    source_positions: Embedding,
    answer_positions: Embedding,
    dropout: Dropout,
    encoder: LayerStack<EncoderBlock>,
    encoder_norm: LayerNorm,
    decoder: LayerStack<DecoderBlock>,
    decoder_norm: LayerNorm,
    head: Linear,
}

/// A block that sees its own sequence up to its place, and the encoder's as a whole.
#[derive(Module, Debug)]
pub struct DecoderBlock {
    norm_1: LayerNorm,
    attention: Attention,
    norm_2: LayerNorm,
    cross_attention: Attention,
    norm_3: LayerNorm,
    mlp: Mlp,
}

growable!(Seq2Seq { encoder, decoder });

impl Seq2SeqConfig {
    pub fn init(self, device: &Device) -> Seq2Seq {
        let (shape, on, there) = (self.shape, device.clone(), device.clone());
        Seq2Seq {
            tokens: shape.embedding(VOCABULARY, device),
            source_positions: shape.embedding(self.length, device),
            answer_positions: shape.embedding(self.length + 1, device),
            dropout: shape.dropout(),
            encoder: LayerStack::from_fn(self.encoder_layers, move |_| shape.encoder_block(&on)),
            encoder_norm: shape.norm(device),
            decoder: LayerStack::from_fn(self.decoder_layers, move |_| {
                DecoderBlock::new(&shape, &there)
            }),
            decoder_norm: shape.norm(device),
            head: shape.linear(shape.width, VOCABULARY, device),
        }
    }
}

impl DecoderBlock {
    fn new(shape: &Shape, device: &Device) -> Self {
        Self {
            norm_1: shape.norm(device),
            attention: shape.attention(device),
            norm_2: shape.norm(device),
            cross_attention: shape.attention(device),
            norm_3: shape.norm(device),
            mlp: shape.mlp(device),
        }
    }

    fn forward(&self, x: Tensor<2>, sight: &Sight, memory: &Memory) -> Tensor<2> {
        let Memory { rows, padding, batch } = memory;
        let y = self.norm_1.forward(x.clone());
        let x = x + self.attention.forward(y.clone(), y, Some(&sight.future), *batch);
        let y = self.norm_2.forward(x.clone());
        let x = x + self.cross_attention.forward(y, rows.clone(), Some(padding), *batch);
        x.clone() + self.mlp.forward(self.norm_3.forward(x))
    }
}

/// What a decoder does not see of its own sequence, `[1, length, length]`.
struct Sight {
    future: Tensor<3, Bool>,
}

/// An encoded source.
#[derive(Clone)]
pub struct Memory {
    rows: Tensor<2>,
    /// `[batch, 1, length]`
    padding: Tensor<3, Bool>,
    batch: usize,
}

impl Seq2Seq {
    pub fn encode(&self, source: Source) -> Memory {
        let batch = source.tokens.dims()[0];
        let padding = source.padding.unsqueeze_dim::<3>(1);
        let mut rows = self.embed(source.tokens, &self.source_positions);
        for block in &self.encoder {
            rows = block.forward(rows, Some(&padding), batch);
        }
        Memory { rows: self.encoder_norm.forward(rows), padding, batch }
    }

    /// Logits `[batch · length, vocabulary]` of what comes after each of the tokens `[batch, length]`.
    pub fn decode(&self, inputs: Tensor<2, Int>, memory: &Memory) -> Tensor<2> {
        let (length, device) = (inputs.dims()[1], inputs.device());
        let future = Tensor::<2, Bool>::tril_mask([length, length], 0, &device);
        let sight = Sight { future: future.unsqueeze() };
        let mut x = self.embed(inputs, &self.answer_positions);
        for block in &self.decoder {
            x = block.forward(x, &sight, memory);
        }
        self.head.forward(self.decoder_norm.forward(x))
    }

    fn embed(&self, tokens: Tensor<2, Int>, positions: &Embedding) -> Tensor<2> {
        let [_, length] = tokens.dims();
        let places = Tensor::arange(0..length as i64, &tokens.device()).unsqueeze::<2>();
        let x = self.tokens.forward(tokens) + positions.forward(places);
        self.dropout.forward(x).flatten(0, 1)
    }
}
