//! A decoder with rotary positions.
//!
//! Source: pre-norm blocks with causal attention as in GPT-2, positions by Su et al. 2021 (arXiv 2104.09864).

use apollo_examples::models::transformer::{Attention, Mlp, Rotary, Shape};
use burn::module::Module;
use burn::nn::{Embedding, LayerNorm, Linear};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_apollo::growable;
use burn_apollo::stack::LayerStack;

/// The shape of a [`Decoder`].
#[derive(Debug, Clone, Copy)]
pub struct DecoderConfig {
    pub layers: usize,
    pub vocabulary: usize,
    /// Answers to choose from.
    pub values: usize,
    /// Whether the attention of every layer sees the embedding too, beside what the layers below have made of it.
    pub inject: bool,
    pub shape: Shape,
}

#[derive(Module, Debug)]
pub struct Decoder {
    embedding: Embedding,
    blocks: LayerStack<Block>,
    norm: LayerNorm,
    head: Linear,
    #[module(skip)]
    inject: bool,
    #[module(skip)]
    head_size: usize,
}

/// A block that sees its sequence up to its place.
#[derive(Module, Debug)]
pub struct Block {
    norm_1: LayerNorm,
    attention: Attention,
    norm_2: LayerNorm,
    mlp: Mlp,
}

/// What all blocks have of a sequence.
struct Sight {
    positions: Rotary,
    /// `[1, length, length]`
    future: Tensor<3, Bool>,
    /// `[batch · length, width]`
    embedded: Option<Tensor<2>>,
    batch: usize,
}

growable!(Decoder { blocks });

impl DecoderConfig {
    pub fn init(self, device: &Device) -> Decoder {
        let (shape, on) = (self.shape, device.clone());
        Decoder {
            embedding: shape.embedding(self.vocabulary, device),
            blocks: LayerStack::from_fn(self.layers, move |_| Block::new(&shape, &on)),
            norm: shape.norm(device),
            head: shape.linear(shape.width, self.values, device),
            inject: self.inject,
            head_size: shape.width / shape.heads,
        }
    }
}

impl Block {
    fn new(shape: &Shape, device: &Device) -> Self {
        Self {
            norm_1: shape.norm(device),
            attention: shape.attention(device),
            norm_2: shape.norm(device),
            mlp: shape.mlp(device),
        }
    }

    /// The embedding goes into a branch, so that a block whose branches end in zeros is the identity all the same.
    fn forward(&self, x: Tensor<2>, sight: &Sight) -> Tensor<2> {
        let seen = match &sight.embedded {
            Some(embedded) => x.clone() + embedded.clone(),
            None => x.clone(),
        };
        let y = self.norm_1.forward(seen);
        let x = x + self.attention.rotary(y, &sight.positions, Some(&sight.future), sight.batch);
        x.clone() + self.mlp.forward(self.norm_2.forward(x))
    }
}

impl Decoder {
    /// Logits `[asked, values]` of the answers at these places of `[batch · length]`, after tokens `[batch, length]`.
    pub fn forward(&self, tokens: Tensor<2, Int>, asked: Tensor<1, Int>) -> Tensor<2> {
        let ([batch, length], device) = (tokens.dims(), tokens.device());
        let mut x = self.embedding.forward(tokens).flatten(0, 1);
        let sight = Sight {
            positions: Rotary::new(length, self.head_size, &device),
            future: Tensor::<2, Bool>::tril_mask([length, length], 0, &device).unsqueeze(),
            embedded: self.inject.then(|| x.clone()),
            batch,
        };
        for block in &self.blocks {
            x = block.forward(x, &sight);
        }
        self.head.forward(self.norm.forward(x.select(0, asked)))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn logits(model: &Decoder, tokens: [i32; 5]) -> Vec<Vec<f32>> {
        let device = Device::flex();
        let tokens = Tensor::from_data(TensorData::new(tokens.to_vec(), [1, 5]), &device);
        let asked = Tensor::arange(0..5, &device);
        let values = model.forward(tokens, asked).into_data().try_to_vec::<f32>().unwrap();
        values.chunks(6).map(<[f32]>::to_vec).collect()
    }

    fn model(inject: bool) -> Decoder {
        let device = Device::flex();
        device.seed(1);
        let shape = Shape { width: 16, heads: 2, branches: 4, dropout: 0.0 };
        DecoderConfig { layers: 3, vocabulary: 7, values: 6, inject, shape }.init(&device)
    }

    #[test]
    fn no_place_sees_what_comes_after_it() {
        for inject in [false, true] {
            let model = model(inject);
            let (one, other) = (logits(&model, [6, 1, 2, 3, 4]), logits(&model, [6, 1, 2, 5, 0]));
            assert_eq!(one[..3], other[..3]);
            assert_ne!(one[3], other[3]);
            assert_ne!(one[4], other[4]);
        }
    }

    #[test]
    fn the_first_token_tells_a_letter_from_its_repetition() {
        let far = |one: &[f32], other: &[f32]| {
            one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let model = model(false);
        let without = logits(&model, [1; 5]);
        assert!(without.iter().all(|place| far(place, &without[0]) < 1e-4), "{without:?}");
        let with = logits(&model, [6, 1, 1, 1, 1]);
        assert!(far(&with[1], &with[2]) > 1e-2 && far(&with[2], &with[3]) > 1e-2, "{with:?}");
    }

    #[test]
    fn an_injected_embedding_changes_the_answers() {
        assert_ne!(logits(&model(false), [6, 1, 2, 3, 4]), logits(&model(true), [6, 1, 2, 3, 4]));
    }
}
