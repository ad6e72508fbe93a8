//! Byte-level text: windows for training, fixed windows for validation.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Failure, usage};

/// A text of which the last 5 % are for validation.
pub struct Text {
    bytes: Vec<u8>,
    train: usize,
}

/// Token ids and the ids that follow them, both `[batch, seq]`.
#[derive(Clone, Debug)]
pub struct Batch {
    pub inputs: Tensor<2, Int>,
    pub targets: Tensor<2, Int>,
}

pub const VOCABULARY: usize = 256;

impl Text {
    /// Reads a file and checks that both parts hold a window of `seq` tokens and their successors.
    pub fn read(path: &Path, seq: usize) -> Result<Self, Failure> {
        let bytes = std::fs::read(path)
            .map_err(|e| usage(format!("--data {}: cannot be read: {e}", path.display())))?;
        let train = bytes.len() - bytes.len() / 20;
        let least = train.min(bytes.len() - train);
        if least < seq + 1 {
            return Err(usage(format!(
                "--data {}: {} bytes are too few for windows of --seq {seq}: the validation part (the last \
                 5 %) has {least} and needs {}",
                path.display(),
                bytes.len(),
                seq + 1
            )));
        }
        Ok(Self { bytes, train })
    }

    /// Tokens of the training part.
    pub fn training_tokens(&self) -> u64 {
        self.train as u64
    }

    /// A checksum by which a resumed run knows its text.
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(&self.bytes)
    }

    /// A batch of random windows of the training part: a pure function of the seed and the step.
    pub fn batch(&self, seed: u64, step: u64, rows: usize, seq: usize, device: &Device) -> Batch {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        let starts: Vec<usize> = (0..rows).map(|_| rng.random_range(0..self.train - seq)).collect();
        self.windows(&starts, seq, device)
    }

    /// At most `windows` windows, evenly spread over the validation part, in batches of `rows`.
    pub fn validation(
        &self,
        windows: usize,
        rows: usize,
        seq: usize,
        device: &Device,
    ) -> Vec<Batch> {
        let held = self.bytes.len() - self.train;
        let count = windows.min((held - 1) / seq).max(1);
        let spread = |i: usize| self.train + i * (held - 1 - seq) / count.max(2).saturating_sub(1);
        let starts: Vec<usize> = (0..count).map(spread).collect();
        starts.chunks(rows).map(|starts| self.windows(starts, seq, device)).collect()
    }

    fn windows(&self, starts: &[usize], seq: usize, device: &Device) -> Batch {
        let tokens = |shift: usize| {
            let ids: Vec<i32> = starts
                .iter()
                .flat_map(|s| self.bytes[s + shift..s + shift + seq].iter().map(|b| i32::from(*b)))
                .collect();
            Tensor::from_data(TensorData::new(ids, [starts.len(), seq]), device)
        };
        Batch { inputs: tokens(0), targets: tokens(1) }
    }

    /// The cross-entropy, in nats per byte, of the best bigram model of the validation part: one fitted
    /// to that very part, so that no bigram model can be better there.
    pub fn best_bigram_loss(&self) -> f64 {
        let text = &self.bytes[self.train..];
        let mut pairs = vec![0_u64; VOCABULARY * VOCABULARY];
        let mut firsts = vec![0_u64; VOCABULARY];
        for pair in text.windows(2) {
            pairs[usize::from(pair[0]) * VOCABULARY + usize::from(pair[1])] += 1;
            firsts[usize::from(pair[0])] += 1;
        }
        let total = (text.len() - 1) as f64;
        let bits = pairs.iter().enumerate().filter(|(_, n)| **n > 0);
        bits.map(|(i, n)| *n as f64 / total * (firsts[i / VOCABULARY] as f64 / *n as f64).ln())
            .sum()
    }
}
