//! A small vision transformer: patches, learned positions, pre-norm blocks, the mean over all places.
//!
//! Source: Dosovitskiy et al. 2021 (arXiv 2010.11929); the mean instead of a class token as in Beyer et al. 2022
//! (arXiv 2205.01580).

use apollo_examples::models::transformer::{EncoderBlock, Shape};
use burn::module::{Module, Param};
use burn::nn::{Dropout, LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use burn_apollo::growable;
use burn_apollo::stack::LayerStack;

use crate::data::{CLASSES, SIDE};

/// The shape of a [`Vit`].
#[derive(Debug, Clone, Copy)]
pub struct VitConfig {
    pub layers: usize,
    pub patch: usize,
    pub shape: Shape,
}

#[derive(Module, Debug)]
pub struct Vit {
    patches: Linear,
    positions: Param<Tensor<2>>,
    dropout: Dropout,
    blocks: LayerStack<EncoderBlock>,
    norm: LayerNorm,
    head: Linear,
    #[module(skip)]
    patch: usize,
}

growable!(Vit { blocks });

impl VitConfig {
    pub fn init(self, device: &Device) -> Vit {
        let (shape, side, on) = (self.shape, SIDE / self.patch, device.clone());
        Vit {
            patches: shape.linear(self.patch * self.patch, shape.width, device),
            positions: shape.embedding(side * side, device).weight,
            dropout: shape.dropout(),
            blocks: LayerStack::from_fn(self.layers, move |_| shape.encoder_block(&on)),
            norm: shape.norm(device),
            head: shape.linear(shape.width, CLASSES, device),
            patch: self.patch,
        }
    }
}

impl Vit {
    /// Logits `[batch, classes]` for images `[batch, pixels]` with pixels from 0 to 1.
    pub fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let [batch, _] = pixels.dims();
        let [places, width] = self.positions.dims();
        let x = self.patches.forward(self.cut(pixels.mul_scalar(2.0).sub_scalar(1.0)));
        let x = x.reshape([batch, places, width]) + self.positions.val().unsqueeze::<3>();
        let mut x = self.dropout.forward(x).reshape([batch * places, width]);
        for block in &self.blocks {
            x = block.forward(x, None, batch);
        }
        let mean = self.norm.forward(x).reshape([batch, places, width]).mean_dim(1);
        self.head.forward(mean.squeeze_dim::<2>(1))
    }

    /// Images `[batch, pixels]` cut into patches `[batch · places, pixels of a patch]`.
    fn cut(&self, pixels: Tensor<2>) -> Tensor<2> {
        let ([batch, _], patch, side) = (pixels.dims(), self.patch, SIDE / self.patch);
        let rows = pixels.reshape([batch, side, patch, side, patch]).swap_dims(2, 3);
        rows.reshape([batch * side * side, patch * patch])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Int, TensorData};

    use super::*;

    #[test]
    fn patches_are_squares_of_the_image() {
        let device = Device::flex();
        let shape = Shape { width: 4, heads: 2, branches: 2, dropout: 0.0 };
        let model = VitConfig { layers: 1, patch: 4, shape }.init(&device);
        let image = Tensor::<1, Int>::arange(0..64, &device).float().reshape([1, 64]);
        let expected: [f32; 16] = // the upper right quarter
            std::array::from_fn(|i| (i / 4 * 8 + 4 + i % 4) as f32);
        let found = model.cut(image).slice([1..2, 0..16]).into_data();
        assert_eq!(found, TensorData::new(expected.to_vec(), [1, 16]));
    }
}
