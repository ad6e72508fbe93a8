//! The smallest adoption: `before.rs` is a plain Burn model and its training, `after.rs` the same with
//! progressive depth. The ten lines that changed are marked `// new`.
//!
//! ```text
//! cargo run --example adopt
//! ```
//!
//! Both learn to tell two spirals apart with a residual network of eight blocks, inside burn-train.

mod after;
mod before;
mod quiet;
mod spirals;

use burn::tensor::Device;

fn main() {
    let device = Device::default();
    println!("plain:             {:.1} % right", 100.0 * before::train(&device));
    println!("progressive depth: {:.1} % right", 100.0 * after::train(&device));
}
