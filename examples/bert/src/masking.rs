//! Which tokens are masked, and how.

use apollo_examples::text::corpus::Vocabulary;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// The label of a token that is not to be predicted.
pub const NO_LABEL: i64 = -100;

/// Far from the draws of the windows, which have the same key and stream.
const BLOCK: u64 = 1 << 61;

/// What masked tokens become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masks {
    /// The token that stands for a masked one.
    pub mask: i64,
    /// Tokens of the text, of which random ones are drawn.
    tokens: i64,
}

impl Masks {
    /// Of a vocabulary: its own token, or one more.
    pub fn of(vocabulary: &Vocabulary) -> Self {
        let tokens = vocabulary.size() as i64;
        Self { mask: vocabulary.mask().map_or(tokens, |(_, id)| id.into()), tokens }
    }

    /// Tokens of the model.
    pub fn vocabulary(&self) -> usize {
        self.tokens.max(self.mask + 1) as usize
    }

    /// Masks 15 % of the tokens in place, but at least one: a function of the seed and the number. Gives the labels.
    ///
    /// Of the masked tokens, 80 % become `mask`, 10 % a random token, and 10 % stay as they are (Devlin et al. 2019,
    /// section 3.1).
    pub fn apply(&self, ids: &mut [i64], seed: u64, number: u64) -> Vec<i64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        rng.set_block_pos(BLOCK);
        let mut labels = vec![NO_LABEL; ids.len()];
        for (id, label) in ids.iter_mut().zip(&mut labels) {
            if rng.random::<f64>() < 0.15 {
                *label = self.hide(id, &mut rng);
            }
        }
        // The mean over no token would not be a number.
        if !ids.is_empty() && labels.iter().all(|label| *label == NO_LABEL) {
            let place = rng.random_range(0..ids.len());
            labels[place] = self.hide(&mut ids[place], &mut rng);
        }
        labels
    }

    /// Replaces a token, or lets it be; gives what it was.
    fn hide(&self, id: &mut i64, rng: &mut ChaCha8Rng) -> i64 {
        let label = *id;
        match rng.random::<f64>() {
            x if x < 0.8 => *id = self.mask,
            x if x < 0.9 => *id = rng.random_range(0..self.tokens),
            _ => {}
        }
        label
    }
}

#[cfg(test)]
mod tests {
    use apollo_examples::text::corpus::vocabulary::MASK;

    use super::*;

    const BYTES: Masks = Masks { mask: 256, tokens: 256 };

    #[test]
    fn shares_and_labels_are_those_of_the_paper() {
        let text: Vec<i64> = (0..200_000).map(|i| i * 31 % 97).collect();
        let mut ids = text.clone();
        let labels = BYTES.apply(&mut ids, 3, 9);
        let share = |fits: &dyn Fn(usize) -> bool| {
            (0..text.len()).filter(|i| fits(*i)).count() as f64 / text.len() as f64
        };
        let masked = share(&|i| labels[i] != NO_LABEL);
        let replaced = share(&|i| ids[i] == BYTES.mask);
        let kept = share(&|i| labels[i] != NO_LABEL && ids[i] == text[i]);
        assert!((masked - 0.15).abs() < 0.003, "{masked}");
        assert!((replaced - 0.12).abs() < 0.003, "{replaced}");
        assert!((kept - 0.015).abs() < 0.001, "{kept}");
        for (i, label) in labels.iter().enumerate() {
            assert!(*label == text[i] || (*label == NO_LABEL && ids[i] == text[i]));
        }
    }

    #[test]
    fn a_vocabulary_has_its_own_mask_or_one_more_token() {
        assert_eq!(Masks::of(&Vocabulary::Bytes), BYTES);
        assert_eq!(BYTES.vocabulary(), 257);
        let learn = |special: &[&str]| {
            Vocabulary::learn(300, special, ["to be or not to be".to_owned()].into_iter()).unwrap()
        };
        let (with, without) = (learn(&[MASK]), learn(&[]));
        let masks = Masks::of(&with);
        assert_eq!((masks.mask, masks.vocabulary()), (0, with.size()));
        let masks = Masks::of(&without);
        assert_eq!((masks.mask as usize, masks.vocabulary()), (without.size(), without.size() + 1));
    }

    #[test]
    fn masks_follow_from_seed_and_number() {
        let masked = |seed, number| BYTES.apply(&mut [65; 500], seed, number);
        assert_eq!(masked(1, 2), masked(1, 2));
        assert_ne!(masked(1, 2), masked(1, 3));
        assert_ne!(masked(1, 2), masked(2, 2));
    }

    #[test]
    fn at_least_one_token_is_masked() {
        for number in 0..200 {
            let labels = BYTES.apply(&mut [65; 2], 1, number);
            assert!(labels.contains(&65), "{number}: {labels:?}");
        }
        assert!(BYTES.apply(&mut [], 1, 0).is_empty());
    }
}
