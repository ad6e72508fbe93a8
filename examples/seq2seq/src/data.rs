//! Problems: letters to sort. They are made from the seed and the number of the batch; a hash of the answer says
//! whether a problem is for training or for validation.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Token ids: padding, the begin of an answer, its end, then the letters from `a` to `z`.
pub const PADDING: u8 = 0;
pub const BEGIN: u8 = 1;
pub const END: u8 = 2;
const FIRST_LETTER: u8 = 3;
pub const VOCABULARY: usize = FIRST_LETTER as usize + 26;

/// The stream of the validation problems, which no batch reaches.
const VALIDATION: u64 = u64::MAX;

/// The fewest letters of problems of at most `length`.
pub fn fewest(length: usize) -> usize {
    length.div_ceil(2)
}

/// Which problems a draw may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Training,
    Validation,
}

/// Letters, as tokens, and the same letters in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub letters: Vec<u8>,
    pub answer: Vec<u8>,
}

impl Problem {
    pub fn new(letters: Vec<u8>) -> Self {
        let mut answer = letters.clone();
        answer.sort_unstable();
        Self { letters, answer }
    }

    /// One answer in ten is for validation, whatever the order of its letters in the problem: no letters to
    /// sort in validation were sorted in training in any other order.
    pub fn part(&self) -> Part {
        match crc32fast::hash(&self.answer) % 10 {
            0 => Part::Validation,
            _ => Part::Training,
        }
    }

    /// At most `length` letters.
    fn draw(rng: &mut ChaCha8Rng, length: usize, part: Part) -> Self {
        loop {
            let count = rng.random_range(fewest(length)..=length);
            let letter = |_| rng.random_range(FIRST_LETTER..VOCABULARY as u8);
            let problem = Self::new((0..count).map(letter).collect());
            if problem.part() == part {
                return problem;
            }
        }
    }
}

/// The training problems of micro-batch `number`: a function of the arguments alone.
pub fn training(seed: u64, number: u64, rows: usize, length: usize) -> Vec<Problem> {
    draw(seed, number, rows, length, Part::Training)
}

/// Problems for validation, the same at every step of a run.
pub fn validation(seed: u64, count: usize, length: usize) -> Vec<Problem> {
    draw(seed, VALIDATION, count, length, Part::Validation)
}

fn draw(seed: u64, stream: u64, count: usize, length: usize, part: Part) -> Vec<Problem> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    (0..count).map(|_| Problem::draw(&mut rng, length, part)).collect()
}

/// The share of the tokens of `problems`' answers, their ends included, that the best guess for each place gives:
/// the token that is most frequent there in these very answers, so that no other guess is better.
pub fn best_guess(problems: &[Problem]) -> f64 {
    let places = problems.iter().map(|p| p.answer.len() + 1).max().unwrap_or(0);
    let (mut right, mut all) = (0, 0);
    for place in 0..places {
        let mut counts = [0_usize; VOCABULARY];
        for answer in problems.iter().map(|p| &p.answer).filter(|a| place <= a.len()) {
            counts[usize::from(answer.get(place).copied().unwrap_or(END))] += 1;
        }
        right += counts.iter().max().copied().unwrap_or(0);
        all += counts.iter().sum::<usize>();
    }
    right as f64 / all as f64
}

/// `[batch, length]` tokens with padding at the end, and where it is.
#[derive(Clone, Debug)]
pub struct Source {
    pub tokens: Tensor<2, Int>,
    pub padding: Tensor<2, Bool>,
}

impl Source {
    pub fn new(problems: &[Problem], length: usize, device: &Device) -> Self {
        let letters = problems.iter().map(|p| p.letters.as_slice());
        let tokens = padded(letters, problems.len(), length, device);
        Self { padding: tokens.clone().equal_elem(i32::from(PADDING)), tokens }
    }
}

/// Problems and, for the tokens of their answers, what comes before them.
#[derive(Clone, Debug)]
pub struct Batch {
    pub source: Source,
    /// The begin and the answer, `[batch, length + 1]`.
    pub inputs: Tensor<2, Int>,
    /// Rows of `[batch · (length + 1)]` that are not padding, and what comes next there.
    pub places: Tensor<1, Int>,
    pub next: Tensor<1, Int>,
    /// Tokens of problems and answers without padding.
    pub tokens: u64,
}

impl Batch {
    pub fn new(problems: &[Problem], length: usize, device: &Device) -> Self {
        let (mut inputs, mut places, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for (row, Problem { answer, .. }) in problems.iter().enumerate() {
            let first = row * (length + 1);
            places.extend((first..=first + answer.len()).map(|place| place as i32));
            next.extend(answer.iter().chain([&END]).map(|token| i32::from(*token)));
            inputs.push([&[BEGIN], answer.as_slice()].concat());
        }
        let letters: usize = problems.iter().map(|p| p.letters.len()).sum();
        let ints = |values: Vec<i32>| {
            let len = values.len();
            Tensor::from_data(TensorData::new(values, [len]), device)
        };
        let inputs = inputs.iter().map(Vec::as_slice);
        Self {
            source: Source::new(problems, length, device),
            inputs: padded(inputs, problems.len(), length + 1, device),
            tokens: (letters + next.len()) as u64,
            places: ints(places),
            next: ints(next),
        }
    }
}

/// `count` rows of tokens as `[count, length]`.
pub fn padded<'a>(
    rows: impl Iterator<Item = &'a [u8]>,
    count: usize,
    length: usize,
    device: &Device,
) -> Tensor<2, Int> {
    let mut ids = vec![i32::from(PADDING); count * length];
    for (row, tokens) in ids.chunks_mut(length).zip(rows) {
        row.iter_mut().zip(tokens).for_each(|(id, token)| *id = i32::from(*token));
    }
    Tensor::from_data(TensorData::new(ids, [count, length]), device)
}

/// Tokens as text; what is no letter becomes a dot.
pub fn text(tokens: &[u8]) -> String {
    let letter = |token: &u8| match token.checked_sub(FIRST_LETTER) {
        Some(place) => char::from(b'a' + place),
        None => '.',
    };
    tokens.iter().map(letter).collect()
}

/// The letters of a text as tokens.
pub fn tokens(text: &str) -> Result<Vec<u8>, String> {
    let token = |c: char| match c {
        'a'..='z' => Ok(c as u8 - b'a' + FIRST_LETTER),
        _ => Err(format!("`{c}` is not a letter from a to z")),
    };
    text.chars().map(token).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_answer_of_validation_occurs_in_training() {
        let held: HashSet<_> = validation(1, 300, 2).into_iter().map(|p| p.answer).collect();
        assert!(held.len() > 20, "{}", held.len());
        for number in 0..200 {
            for problem in training(1, number, 16, 2) {
                assert!(!held.contains(&problem.answer), "{problem:?}");
                let sorted = problem.answer.is_sorted() && (1..=2).contains(&problem.answer.len());
                assert!(sorted, "{problem:?}");
            }
        }
    }

    #[test]
    fn problems_follow_from_seed_and_number() {
        assert_eq!(training(1, 2, 5, 9), training(1, 2, 5, 9));
        assert_ne!(training(1, 2, 5, 9), training(1, 3, 5, 9));
        assert_ne!(training(1, 2, 5, 9), training(2, 2, 5, 9));
    }

    #[test]
    fn a_part_is_one_of_the_answer() {
        for letters in ["burn", "apollo", "layers", "stack"] {
            let letters = tokens(letters).unwrap();
            let reversed = letters.iter().rev().copied().collect();
            assert_eq!(Problem::new(letters).part(), Problem::new(reversed).part());
        }
    }

    #[test]
    fn the_best_guess_is_the_most_frequent_token_of_a_place() {
        let problems =
            ["ba", "ca", "cb", "a"].map(|letters| Problem::new(tokens(letters).unwrap()));
        // Places: a a b a; b c c END; END END END.
        assert_eq!(best_guess(&problems), (3 + 2 + 3) as f64 / 11.0);
    }

    #[test]
    fn a_batch_holds_what_comes_next() {
        let problems = ["cab", "ba"].map(|letters| Problem::new(tokens(letters).unwrap()));
        let batch = Batch::new(&problems, 3, &Device::flex());
        let ints = |tensor: Tensor<1, Int>| tensor.into_data().iter::<u8>().collect::<Vec<_>>();
        assert_eq!(ints(batch.source.tokens.flatten(0, 1)), [5, 3, 4, 4, 3, 0]);
        assert_eq!(ints(batch.inputs.flatten(0, 1)), [1, 3, 4, 5, 1, 3, 4, 0]);
        assert_eq!(ints(batch.places), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(ints(batch.next), [3, 4, 5, 2, 3, 4, 2]);
        assert_eq!(batch.tokens, 12);
        assert_eq!(text(&[3, 4, 28, END]), "abz.");
    }
}
