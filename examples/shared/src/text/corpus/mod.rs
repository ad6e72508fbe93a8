//! A text of any size: windows for training, fixed windows for validation.
//!
//! The text stays on disk. `--data` is a text, whose tokens are its bytes, or a token file that `--prepare` made of
//! one; both are read window by window.

mod baseline;
pub mod blocks;
pub mod header;
mod learn;
mod lost;
mod order;
pub mod prepare;
mod sub_words;
mod tokenise;
pub mod tokens;
pub mod vocabulary;
pub mod windows;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::data::dataset::Dataset;
use burn::tensor::{Device, Int, Tensor};

pub use header::BYTES;
pub use order::Order;
pub use prepare::{Preparation, PrepareOptions};
pub use vocabulary::{TOKENIZER, Vocabulary};

use crate::{Failure, run_error, usage};
use baseline::{best_bigram_loss, best_unigram_loss};
use burn_apollo_lab::{Baseline, Measure};
use header::TokensError;
use order::Epoch;
use tokens::Tokens;
use windows::{Window, Windows};

/// A text of which the last 5 % of the tokens are for validation.
pub struct Corpus {
    path: PathBuf,
    tokens: Arc<Tokens>,
    vocabulary: Vocabulary,
    train: usize,
    held: usize,
    order: Order,
    epoch: Mutex<Option<Epoch>>,
}

/// Token ids and the ids that follow them, both `[batch, seq]`.
#[derive(Clone, Debug)]
pub struct Batch {
    pub inputs: Tensor<2, Int>,
    pub targets: Tensor<2, Int>,
}

impl Corpus {
    /// Opens a text or token file and checks that both parts hold a window of `seq` tokens and their successors.
    pub fn read(path: &Path, seq: usize) -> Result<Self, Failure> {
        let failed = |e: &dyn std::fmt::Display| usage(format!("--data {}: {e}", path.display()));
        let tokens = Tokens::open(path).map_err(|e| failed(&e))?;
        let vocabulary = Vocabulary::beside(path, tokens.header())?;
        let count = usize::try_from(tokens.header().tokens).map_err(|e| failed(&e))?;
        let held = count / 20;
        let train = count - held;
        let least = train.min(held);
        if least < seq + 1 {
            let unit = if vocabulary.json().is_some() { "tokens" } else { "bytes" };
            return Err(failed(&format!(
                "{count} {unit} are too few for windows of --seq {seq}: the validation part (the last 5 %) has \
                 {least} and needs {}",
                seq + 1
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            tokens: Arc::new(tokens),
            vocabulary,
            train,
            held,
            order: Order::Random,
            epoch: Mutex::new(None),
        })
    }

    /// Gives the windows for training in another order.
    pub fn with_order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// A checksum of the tokens, by which a resumed run knows them.
    pub fn checksum(&self) -> u32 {
        self.tokens.header().checksum
    }

    /// What the tokens are.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Optimizer steps of some passes over the training part.
    pub fn steps(&self, epochs: u64, rows: u64, accumulate: u64, seq: usize) -> u64 {
        let batches = match self.order {
            Order::Random => (epochs * self.train as u64).div_ceil(rows * seq as u64),
            Order::Epochs => epochs * (self.windows(seq).len() as u64).div_ceil(rows),
        };
        batches.div_ceil(accumulate)
    }

    /// A token, in words.
    pub fn unit(&self) -> String {
        let header = self.tokens.header();
        match self.vocabulary {
            Vocabulary::Bytes => "byte".to_owned(),
            Vocabulary::SubWords(_) => {
                format!("token of {:.2} bytes", header.source_bytes as f64 / header.tokens as f64)
            }
        }
    }

    /// What a finished model needs of the text: its sub-words.
    pub fn files(&self) -> Vec<(&'static str, &str)> {
        self.vocabulary.json().map(|json| (TOKENIZER, json)).into_iter().collect()
    }

    /// [`training`](Self::training) as tensors.
    pub fn batch(
        &self,
        seed: u64,
        number: u64,
        rows: usize,
        seq: usize,
        device: &Device,
    ) -> Result<Batch, Failure> {
        Ok(windows::batch(&self.training(seed, number, rows, seq)?, device))
    }

    /// Windows of the training part for a batch: a function of the seed and the number. In epochs, the last batch of one
    /// may be shorter.
    pub fn training(
        &self,
        seed: u64,
        number: u64,
        rows: usize,
        seq: usize,
    ) -> Result<Vec<Window>, Failure> {
        let starts = match self.order {
            Order::Random => order::random(seed, number, rows, self.train - seq),
            Order::Epochs => {
                let windows = self.windows(seq);
                let mut epoch = self.epoch.lock().unwrap_or_else(|e| e.into_inner());
                let items = order::epochs(&mut epoch, seed, number, rows, windows.len());
                items.into_iter().map(|item| windows.start(item)).collect()
            }
        };
        self.windows_at(&starts, seq)
    }

    /// The windows of the training part that follow each other, as a dataset.
    pub fn windows(&self, seq: usize) -> Windows {
        Windows::new(self.tokens.clone(), self.train, seq)
    }

    /// [`held_out`](Self::held_out) as tensors, in batches of `rows`.
    pub fn validation(
        &self,
        windows: usize,
        rows: usize,
        seq: usize,
        device: &Device,
    ) -> Result<Vec<Batch>, Failure> {
        let windows = self.held_out(windows, seq)?;
        Ok(windows.chunks(rows).map(|windows| windows::batch(windows, device)).collect())
    }

    /// At most `windows` windows, evenly spread over the validation part.
    pub fn held_out(&self, windows: usize, seq: usize) -> Result<Vec<Window>, Failure> {
        let count = windows.min((self.held - 1) / seq).max(1);
        // In 128 bits, for the product.
        let room = (self.held - 1 - seq) as u128;
        let offset = |i: usize| i as u128 * room / count.max(2).saturating_sub(1) as u128;
        let starts: Vec<usize> = (0..count).map(|i| self.train + offset(i) as usize).collect();
        self.windows_at(&starts, seq)
    }

    /// The best bigram model of the validation part: one fitted to that very part, so that no bigram model can be
    /// better there. Of sub-words the best unigram model, for the other would know the part by heart.
    pub fn baseline(&self) -> Result<Baseline, Failure> {
        let (tokens, first) = (&self.tokens, self.train as u64);
        let (name, value) = match self.vocabulary {
            Vocabulary::Bytes => ("the best bigram model", best_bigram_loss(tokens, first)),
            Vocabulary::SubWords(_) => ("the best unigram model", best_unigram_loss(tokens, first)),
        };
        Ok(Baseline { name, measure: Measure::Loss, value: value.map_err(|e| self.failed(e))? })
    }

    fn windows_at(&self, starts: &[usize], seq: usize) -> Result<Vec<Window>, Failure> {
        let read = |start: &usize| windows::read(&self.tokens, *start, seq);
        starts.iter().map(read).collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    fn failed(&self, error: TokensError) -> Failure {
        run_error(format!("--data {}: {error}", self.path.display()))
    }
}
