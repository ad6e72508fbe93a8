//! Rows of problems. They are made from the seed and the number of the batch; a hash of a row says whether it is for
//! training or for validation.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::group::{Group, Products};

/// What is to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The products of all prefixes of a word of a group.
    Group(Group),
}

/// Streams that no batch reaches: validation, and validation on longer rows.
pub const VALIDATION: u64 = u64::MAX;
pub const LONGER: u64 = u64::MAX - 1;

/// Which rows a draw may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Training,
    Validation,
}

/// What is read, and the answer at each of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub tokens: Vec<u8>,
    pub answers: Vec<u8>,
}

/// Makes rows.
#[derive(Debug, Clone)]
pub struct Rows {
    order: u8,
    products: Products,
}

impl Problem {
    /// Tokens that a row is made of, and answers to choose from.
    pub fn tokens(self) -> usize {
        match self {
            Self::Group(group) => group.order(),
        }
    }

    pub fn rows(self) -> Rows {
        match self {
            Self::Group(group) => Rows { order: group.order() as u8, products: group.products() },
        }
    }
}

impl Row {
    /// One row in ten is for validation.
    pub fn part(&self) -> Part {
        match crc32fast::hash(&self.tokens) % 10 {
            0 => Part::Validation,
            _ => Part::Training,
        }
    }
}

impl Rows {
    /// `count` rows of a stream, of `length` tokens each: a function of the arguments alone.
    pub fn draw(
        &self,
        seed: u64,
        stream: u64,
        count: usize,
        length: usize,
        part: Part,
    ) -> Vec<Row> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        (0..count).map(|_| self.one(&mut rng, length, part)).collect()
    }

    fn one(&self, rng: &mut ChaCha8Rng, length: usize, part: Part) -> Row {
        loop {
            let tokens: Vec<u8> = (0..length).map(|_| rng.random_range(0..self.order)).collect();
            let row = Row { answers: self.products.prefixes(&tokens), tokens };
            if row.part() == part {
                return row;
            }
        }
    }
}

/// Rows on a device: tokens `[rows, length]`, answers `[rows · length]`.
#[derive(Clone, Debug)]
pub struct Batch {
    pub tokens: Tensor<2, Int>,
    pub answers: Tensor<1, Int>,
}

impl Batch {
    pub fn new(rows: &[Row], device: &Device) -> Self {
        let of = |values: fn(&Row) -> &Vec<u8>| -> Tensor<1, Int> {
            let values: Vec<i32> = rows.iter().flat_map(values).map(|v| i32::from(*v)).collect();
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), device)
        };
        let length = rows.first().map_or(0, |row| row.tokens.len());
        Self {
            tokens: of(|row| &row.tokens).reshape([rows.len(), length]),
            answers: of(|row| &row.answers),
        }
    }
}
