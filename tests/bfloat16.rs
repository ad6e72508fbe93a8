//! Parameters in bfloat16, as the device has them. Alone in its file: the precision of a device is set once for a process.

#[path = "support/kind.rs"]
mod kind;
#[path = "support/sixteen_bits.rs"]
mod sixteen_bits;
mod support;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, FloatDType, Tensor};
use kind::{Kind, contract};
use sixteen_bits::optimizers_train;
use support::WIDTH;

/// A layer in the device's precision.
#[derive(Module, Debug)]
struct Brain {
    linear: Linear,
}

impl Kind for Brain {
    const PRECISION: FloatDType = FloatDType::BF16;

    fn new(_index: usize, device: &Device) -> Self {
        Self { linear: LinearConfig::new(WIDTH, WIDTH).init(device) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.linear.forward(x).tanh()
    }
}

#[test]
fn every_optimizer_trains_through_growths() {
    Device::default().configure(FloatDType::BF16).unwrap();
    contract::<Brain>();
    optimizers_train::<Brain>();
}
