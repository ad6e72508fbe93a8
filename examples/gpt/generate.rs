use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::common::gpt::Gpt;
use crate::common::run_dir::read_config;
use crate::common::run_options::RunConfig;
use crate::common::text_options::TextConfig;
use crate::common::{Failure, device, hf};
use crate::options::{self, Options};

pub fn from_run(options: &Options, prompt: &str) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: RunConfig<TextConfig> = read_config(out)?;
    let model = TextConfig::finished(options::model(&config.task).init(&device), out)?;
    println!("{}", text(&model, prompt, &Sampling::new(options), &device));
    Ok(())
}

/// Writes the finished model in Hugging Face's layout.
pub fn export(options: &Options, dir: &Path) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: RunConfig<TextConfig> = read_config(out)?;
    let shape = options::model(&config.task);
    let model = TextConfig::finished(shape.init(&device), out)?;
    hf::export_gpt2(&shape, &model, dir)?;
    println!("written: {}", dir.display());
    Ok(())
}

/// How text is sampled.
pub struct Sampling {
    length: u32,
    temperature: f64,
    seed: u64,
}

impl Sampling {
    pub fn new(options: &Options) -> Self {
        Self { length: options.length, temperature: options.temperature, seed: options.run.seed }
    }
}

/// `prompt` and its continuation.
pub fn text(model: &Gpt, prompt: &str, how: &Sampling, device: &Device) -> String {
    let mut bytes = if prompt.is_empty() { b"\n".to_vec() } else { prompt.as_bytes().to_vec() };
    let positions = model.wpe.weight.dims()[0];
    let mut rng = ChaCha8Rng::seed_from_u64(how.seed);
    for _ in 0..how.length {
        let context = &bytes[bytes.len().saturating_sub(positions)..];
        let ids: Vec<i32> = context.iter().map(|b| i32::from(*b)).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, context.len()]), device);
        let last = model.forward(ids).narrow(0, context.len() - 1, 1);
        let logits: Vec<f64> = last.into_data().iter::<f64>().collect();
        bytes.push(sample(&logits, how.temperature, rng.random()));
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
