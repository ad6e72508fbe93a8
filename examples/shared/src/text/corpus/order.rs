//! In which order the windows of the training part come.

use burn_apollo::data::permutation;
use clap::ValueEnum;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    #[default]
    Random,
    Epochs,
}

impl Order {
    pub fn is_random(&self) -> bool {
        *self == Self::Random
    }
}

/// The order of an epoch: eight bytes per window.
pub struct Epoch {
    of: (u64, u64),
    order: Vec<usize>,
}

/// Random starts below `room`: a pure function of the arguments.
pub fn random(seed: u64, number: u64, rows: usize, room: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    (0..rows).map(|_| rng.random_range(0..room)).collect()
}

/// The items of the batch of a number, as a `BatchStream` of the library gives them: a pure function of the other
/// arguments; `epoch` keeps the order of the last one.
pub fn epochs(
    epoch: &mut Option<Epoch>,
    seed: u64,
    number: u64,
    rows: usize,
    items: usize,
) -> Vec<usize> {
    let batches = items.div_ceil(rows) as u64;
    let of = (seed, number / batches);
    let first = (number % batches) as usize * rows;
    if epoch.as_ref().is_none_or(|epoch| epoch.of != of) {
        *epoch = None; // frees its memory before the next takes as much
    }
    let order =
        &epoch.get_or_insert_with(|| Epoch { of, order: permutation(items, of.0, of.1) }).order;
    order[first..(first + rows).min(items)].to_vec()
}
