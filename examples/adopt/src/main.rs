//! The smallest adoption: `before.rs` is a plain Burn model and its training, `after.rs` the same with
//! progressive depth. The ten lines that changed are marked `// new`.
//!
//! ```text
//! cargo run -p adopt
//! ```
//!
//! Both learn to tell two spirals apart with a residual network of eight blocks, inside burn-train.

mod after;
mod before;
mod quiet;
mod spirals;

use burn::tensor::Device;
use clap::Parser;

/// Trains a plain Burn model and the same model with progressive depth.
#[derive(Parser)]
#[command(name = "adopt", version)]
struct Options {}

fn main() {
    Options::parse();
    let device = Device::default();
    println!("plain:             {:.1} % right", 100.0 * before::train(&device));
    println!("progressive depth: {:.1} % right", 100.0 * after::train(&device));
}
