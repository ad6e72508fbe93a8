//! The data of a step, and each host's share of it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apollo_examples::text::corpus::windows::{self, WindowsBatcher};
use apollo_examples::text::corpus::{Batch, Corpus};
use apollo_examples::{Failure, run_error};
use burn::data::dataloader::{DataLoader, DataLoaderBuilder, DataLoaderIterator, Progress};
use burn::data::dataset::{DatasetError, InMemDataset};
use burn::tensor::Device;

/// Windows for validation.
const HELD_OUT: usize = 32;

/// A data loader whose batch of a step is a function of the step's number alone, however many devices share it: device `k` of
/// `n` has the `k`-th part of its rows. So a run is the same on any number of hosts, but for rounding.
///
/// Items are counted row by row, so that burn-train's equal slices of them are rows.
#[derive(Clone)]
pub struct StepBatches {
    text: Arc<Corpus>,
    seed: u64,
    seq: usize,
    /// Rows of a step, all devices together.
    batch: usize,
    /// Steps of an epoch.
    steps: u64,
    rows: Range<usize>,
    device: Device,
    epoch: Arc<AtomicU64>,
}

impl StepBatches {
    /// Steps of `batch` windows of `seq` tokens, in epochs of `steps`, of which `done` are over.
    pub fn new(
        text: Arc<Corpus>,
        seed: u64,
        seq: usize,
        batch: usize,
        steps: u64,
        done: u64,
    ) -> Self {
        let (device, epoch) = (Device::flex(), Arc::new(AtomicU64::new(done)));
        Self { text, seed, seq, batch, steps, rows: 0..batch, device, epoch }
    }

    /// A loader of its own, which counts its own epochs.
    fn part(&self, rows: Range<usize>, device: Device) -> Arc<dyn DataLoader<Batch>> {
        let epoch = Arc::new(AtomicU64::new(self.epoch.load(Ordering::SeqCst)));
        Arc::new(Self { rows, device, epoch, ..self.clone() })
    }

    fn batch(&self, step: u64) -> Result<Batch, Failure> {
        let rows = self.text.training(self.seed, step, self.batch, self.seq)?;
        Ok(windows::batch(&rows[self.rows.clone()], &self.device))
    }
}

impl DataLoader<Batch> for StepBatches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst);
        Box::new(Epoch { batches: self, first: epoch * self.steps, done: 0 })
    }

    fn num_items(&self) -> usize {
        self.rows.len() * self.steps as usize
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        self.part(self.rows.clone(), device.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let row = |item: usize| self.rows.start + item / self.steps as usize;
        self.part(row(start)..row(end), self.device.clone())
    }
}

struct Epoch<'a> {
    batches: &'a StepBatches,
    first: u64,
    done: u64,
}

impl Iterator for Epoch<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done == self.batches.steps {
            return None;
        }
        let batch = self.batches.batch(self.first + self.done);
        self.done += 1;
        Some(batch.map_err(DatasetError::new))
    }
}

impl DataLoaderIterator<Batch> for Epoch<'_> {
    fn progress(&self) -> Progress {
        let (rows, steps) = (self.batches.rows.len(), self.batches.steps as usize);
        Progress::new(rows * self.done as usize, rows * steps, Some("items".to_owned()))
    }
}

/// Windows of the validation part, `rows` in a batch.
pub fn held_out(
    text: &Corpus,
    seq: usize,
    rows: usize,
) -> Result<Arc<dyn DataLoader<Batch>>, Failure> {
    let windows = text.held_out(HELD_OUT, seq)?;
    if windows.is_empty() {
        return Err(run_error("the validation part has no window"));
    }
    Ok(DataLoaderBuilder::new(WindowsBatcher).batch_size(rows).build(InMemDataset::new(windows)))
}
