//! Rows in batches. They are made from the seed and the number of the batch; a hash of a row says whether it is for training
//! or for validation.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::problem::{Maker, Row};

/// Streams that no batch reaches: validation, and validation on longer rows.
pub const VALIDATION: u64 = u64::MAX;
pub const LONGER: u64 = u64::MAX - 1;

/// Which rows a draw may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Training,
    Validation,
}

impl Row {
    /// One row in ten is for validation.
    fn part(&self) -> Part {
        match crc32fast::hash(&self.tokens) % 10 {
            0 => Part::Validation,
            _ => Part::Training,
        }
    }
}

impl Maker {
    /// `count` rows of a stream, of up to `length`: a function of the arguments alone.
    pub fn rows(
        &self,
        seed: u64,
        stream: u64,
        count: usize,
        length: usize,
        part: Part,
    ) -> Vec<Row> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        (0..count).map(|_| self.of_part(&mut rng, length, part)).collect()
    }

    fn of_part(&self, rng: &mut ChaCha8Rng, length: usize, part: Part) -> Row {
        loop {
            let row = self.draw(rng, length);
            if row.part() == part && !row.answers.is_empty() {
                return row;
            }
        }
    }
}

/// Rows of equal lengths on a device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[rows, places]`
    pub tokens: Tensor<2, Int>,
    /// The places of `[rows · places]` after which answers are asked for.
    pub asked: Tensor<1, Int>,
    /// `[asked]`
    pub answers: Tensor<1, Int>,
}

impl Batch {
    pub fn new(rows: &[Row], device: &Device) -> Self {
        let ints = |values: Vec<i32>| -> Tensor<1, Int> {
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), device)
        };
        let places = rows.first().map_or(0, |row| row.tokens.len());
        let tokens = rows.iter().flat_map(|row| &row.tokens).map(|token| i32::from(*token));
        let values = rows.iter().flat_map(|row| &row.answers).map(|answer| i32::from(answer.value));
        let asked = rows.iter().enumerate().flat_map(|(i, row)| {
            row.answers.iter().map(move |answer| (i * places + answer.place) as i32)
        });
        Self {
            tokens: ints(tokens.collect()).reshape([rows.len(), places]),
            asked: ints(asked.collect()),
            answers: ints(values.collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::group::Group;
    use crate::problem::Problem;

    /// Each with a length at which its rows are few enough to be drawn again and again.
    const ALL: [(Problem, usize); 6] = [
        (Problem::Group(Group::S3), 4),
        (Problem::Group(Group::S5), 4),
        (Problem::Group(Group::A5), 4),
        (Problem::Group(Group::Z6), 4),
        (Problem::Mano, 1),
        (Problem::Hop, 1),
    ];

    #[test]
    fn no_row_of_validation_occurs_in_training() {
        for (problem, length) in ALL {
            let maker = problem.maker();
            let held = maker.rows(1, VALIDATION, 200, length, Part::Validation);
            let held: HashSet<_> = held.into_iter().map(|row| row.tokens).collect();
            assert!(held.len() > 50, "{problem:?}: {}", held.len());
            for number in 0..100 {
                for row in maker.rows(1, number, 32, length, Part::Training) {
                    assert!(!held.contains(&row.tokens), "{problem:?}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn rows_follow_from_seed_and_number() {
        for (problem, _) in ALL {
            let maker = problem.maker();
            let rows = |seed, number| maker.rows(seed, number, 5, 9, Part::Training);
            assert_eq!(rows(1, 2), rows(1, 2), "{problem:?}");
            assert_ne!(rows(1, 2), rows(1, 3), "{problem:?}");
            assert_ne!(rows(1, 2), rows(2, 2), "{problem:?}");
        }
    }

    #[test]
    fn rows_are_as_their_problem_says() {
        for (problem, _) in ALL {
            for row in problem.maker().rows(1, 0, 50, 7, Part::Training) {
                assert_eq!(row.tokens.len(), problem.places(7), "{problem:?}");
                let tokens = row.tokens.iter().all(|t| usize::from(*t) < problem.vocabulary(7));
                let answers = row.answers.iter().all(|answer| {
                    usize::from(answer.value) < problem.values()
                        && (1..=7).contains(&answer.length)
                        && answer.place < row.tokens.len()
                });
                assert!(tokens && answers, "{problem:?}: {row:?}");
            }
        }
    }
}
