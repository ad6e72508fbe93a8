//! Which tokens are masked, and how.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// The token that stands for a masked byte.
pub const MASK: i64 = 256;
/// The label of a token that is not to be predicted.
pub const NO_LABEL: i64 = -100;

/// Far from the draws of the windows, which have the same key and stream.
const BLOCK: u64 = 1 << 61;

/// Masks 15 % of the bytes in place, but at least one: a function of the seed and the number. Gives the labels.
///
/// Of the masked bytes, 80 % become [`MASK`], 10 % a random byte, and 10 % stay as they are (Devlin et al. 2019,
/// section 3.1).
pub fn mask(ids: &mut [i64], seed: u64, number: u64) -> Vec<i64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng.set_block_pos(BLOCK);
    let mut labels = vec![NO_LABEL; ids.len()];
    for (id, label) in ids.iter_mut().zip(&mut labels) {
        if rng.random::<f64>() < 0.15 {
            *label = hide(id, &mut rng);
        }
    }
    // The mean over no byte would not be a number.
    if !ids.is_empty() && labels.iter().all(|label| *label == NO_LABEL) {
        let place = rng.random_range(0..ids.len());
        labels[place] = hide(&mut ids[place], &mut rng);
    }
    labels
}

/// Replaces a byte, or lets it be; gives what it was.
fn hide(id: &mut i64, rng: &mut ChaCha8Rng) -> i64 {
    let label = *id;
    match rng.random::<f64>() {
        x if x < 0.8 => *id = MASK,
        x if x < 0.9 => *id = rng.random_range(0..MASK),
        _ => {}
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_labels_are_those_of_the_paper() {
        let text: Vec<i64> = (0..200_000).map(|i| i * 31 % 97).collect();
        let mut ids = text.clone();
        let labels = mask(&mut ids, 3, 9);
        let share = |fits: &dyn Fn(usize) -> bool| {
            (0..text.len()).filter(|i| fits(*i)).count() as f64 / text.len() as f64
        };
        let masked = share(&|i| labels[i] != NO_LABEL);
        let replaced = share(&|i| ids[i] == MASK);
        let kept = share(&|i| labels[i] != NO_LABEL && ids[i] == text[i]);
        assert!((masked - 0.15).abs() < 0.003, "{masked}");
        assert!((replaced - 0.12).abs() < 0.003, "{replaced}");
        assert!((kept - 0.015).abs() < 0.001, "{kept}");
        for (i, label) in labels.iter().enumerate() {
            assert!(*label == text[i] || (*label == NO_LABEL && ids[i] == text[i]));
        }
    }

    #[test]
    fn masks_follow_from_seed_and_number() {
        let masked = |seed, number| mask(&mut [65; 500], seed, number);
        assert_eq!(masked(1, 2), masked(1, 2));
        assert_ne!(masked(1, 2), masked(1, 3));
        assert_ne!(masked(1, 2), masked(2, 2));
    }

    #[test]
    fn at_least_one_byte_is_masked() {
        for number in 0..200 {
            let labels = mask(&mut [65; 2], 1, number);
            assert!(labels.contains(&65), "{number}: {labels:?}");
        }
        assert!(mask(&mut [], 1, 0).is_empty());
    }
}
