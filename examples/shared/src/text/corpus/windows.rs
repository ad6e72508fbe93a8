//! Windows of tokens, as items of a dataset for Burn's loaders and for `burn_apollo::data::ShuffledLoader`.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::{Device, Tensor, TensorData};

use super::Batch;
use super::header::TokensError;
use super::tokens::Tokens;

/// Tokens that follow each other: those that a model sees, and one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window(pub Vec<i32>);

/// The windows of the training part that follow each other. Each begins with the last target of the one before, so
/// that every token but the first is a target once; what is left at the end is too short for a window.
#[derive(Debug, Clone)]
pub struct Windows {
    tokens: Arc<Tokens>,
    count: usize,
    seq: usize,
}

impl Windows {
    pub(super) fn new(tokens: Arc<Tokens>, train: usize, seq: usize) -> Self {
        Self { tokens, count: (train - 1) / seq, seq }
    }

    /// The index of a window's first token.
    pub fn start(&self, index: usize) -> usize {
        index * self.seq
    }
}

impl Dataset<Window> for Windows {
    fn get(&self, index: usize) -> Result<Window, DatasetError> {
        if index >= self.count {
            let message = format!("there are {} windows, no window {index}", self.count);
            return Err(DatasetError::new(std::io::Error::other(message)));
        }
        read(&self.tokens, self.start(index), self.seq).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.count
    }
}

/// The window of `seq` tokens from `start` on.
pub fn read(tokens: &Tokens, start: usize, seq: usize) -> Result<Window, TokensError> {
    tokens.read(start as u64, seq + 1).map(Window)
}

/// Windows of one length as tensors.
pub fn batch(windows: &[Window], device: &Device) -> Batch {
    let seq = windows.first().map_or(0, |window| window.0.len() - 1);
    let tokens = |shift: usize| {
        let ids: Vec<i32> =
            windows.iter().flat_map(|window| window.0[shift..][..seq].iter().copied()).collect();
        Tensor::from_data(TensorData::new(ids, [windows.len(), seq]), device)
    };
    Batch { inputs: tokens(0), targets: tokens(1) }
}

/// Makes a [`Batch`] of windows.
pub struct WindowsBatcher;

impl Batcher<Window, Batch> for WindowsBatcher {
    fn batch(&self, items: Vec<Window>, device: &Device) -> Batch {
        batch(&items, device)
    }
}
