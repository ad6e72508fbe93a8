//! Parameters in bfloat16, as the device has them. Alone in its file: the precision of a device is set once for a process.

#[path = "support/kind.rs"]
mod kind;
#[path = "support/sixteen_bits.rs"]
mod sixteen_bits;
mod support;

use burn::tensor::{Device, FloatDType};
use kind::contract;
use sixteen_bits::{native_layer, optimizers_train};

native_layer!(Brain, FloatDType::BF16);

#[test]
fn every_optimizer_trains_through_growths() {
    Device::default().configure(FloatDType::BF16).unwrap();
    contract::<Brain>();
    optimizers_train::<Brain>();
}
