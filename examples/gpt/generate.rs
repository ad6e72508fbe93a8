use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::common::gpt::{Gpt, GptConfig};
use crate::common::run_dir::RunDir;
use crate::common::text::VOCABULARY;
use crate::common::{Failure, device, usage};
use crate::options::{Options, RunConfig};

/// The file of the finished model: a plain Burn record without a trace of Apollo.
pub const MODEL: &str = "model";

pub fn from_run(options: &Options, prompt: &str) -> Result<(), Failure> {
    let device = device::by_name(&options.device)?;
    let dir = RunDir::existing(&options.out)?;
    let config: RunConfig = dir.config()?;
    let model = shape(&config)
        .init(&device)
        .try_load_file(dir.file(MODEL))
        .map_err(|e| usage(format!("--out {}: no finished run: {e}", options.out.display())))?;
    println!("{}", text(&model, prompt, options, &device));
    Ok(())
}

pub fn shape(config: &RunConfig) -> GptConfig {
    GptConfig {
        vocabulary: VOCABULARY,
        positions: config.seq,
        width: config.width,
        heads: config.heads,
        layers: config.layers,
        // Measured on the default run: GPT-2's 0.02 for its width of 768 is too little for a narrow model.
        embedding_std: 0.1,
        linear_std: 0.02 * (768.0 / config.width as f64).sqrt(),
    }
}

/// `prompt` and its continuation.
pub fn text(model: &Gpt, prompt: &str, options: &Options, device: &Device) -> String {
    let mut bytes = if prompt.is_empty() { b"\n".to_vec() } else { prompt.as_bytes().to_vec() };
    let positions = model.wpe.weight.dims()[0];
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    for _ in 0..options.length {
        let context = &bytes[bytes.len().saturating_sub(positions)..];
        let ids: Vec<i32> = context.iter().map(|b| i32::from(*b)).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, context.len()]), device);
        let last = model.forward(ids).narrow(0, context.len() - 1, 1);
        let logits: Vec<f64> = last.into_data().iter::<f64>().collect();
        bytes.push(sample(&logits, options.temperature, rng.random()));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte at `u` of the cumulative distribution of `logits` at `temperature`.
fn sample(logits: &[f64], temperature: f64, u: f64) -> u8 {
    let (likeliest, top) = logits
        .iter()
        .copied()
        .enumerate()
        .fold((0, f64::MIN), |a, b| if b.1 > a.1 { b } else { a });
    if temperature == 0.0 {
        return likeliest as u8;
    }
    let weights: Vec<f64> = logits.iter().map(|l| ((l - top) / temperature).exp()).collect();
    let mut left = u * weights.iter().sum::<f64>();
    for (byte, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return byte as u8;
        }
    }
    likeliest as u8
}
