use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The order of `len` items in an epoch: a pure function of its arguments, with no generator to keep or to
/// save.
///
/// The generator is ChaCha with 8 rounds. Its key comes from `seed` (by [`SeedableRng::seed_from_u64`]), its
/// stream is the `epoch` (from 0), and its block position begins at `2⁶²`: far from the draws of
/// [`depth::draw`](crate::depth::draw), which begin at `2⁶³`, and from 0, where other users of the same key and
/// stream would begin. The shuffle is that of Fisher and Yates: for `i` from `len - 1` down to 1, the items
/// `i` and `⌊(i + 1) · u / 2⁶⁴⌋` change places, with `u` the next 64 bits (each place is equally
/// likely up to a relative error of `len / 2⁶⁴`). Values are part of the public contract, the same on all
/// platforms: a release that changes them says "value-breaking" in the changelog.
///
/// ```
/// use burn_apollo::data::permutation;
///
/// assert_eq!(permutation(8, 42, 0), [3, 5, 6, 4, 7, 2, 0, 1]);
/// assert_eq!(permutation(8, 42, 1), [2, 3, 0, 1, 6, 4, 5, 7]);
/// ```
#[must_use]
pub fn permutation(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    rng.set_block_pos(1 << 62);
    let mut order: Vec<usize> = (0..len).collect();
    for i in (1..len).rev() {
        let below = i as u128 + 1;
        order.swap(i, ((below * u128::from(rng.next_u64())) >> 64) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_pinned() {
        assert_eq!(permutation(0, 1, 2), [0; 0]);
        assert_eq!(permutation(1, 1, 2), [0]);
        assert_eq!(permutation(12, 0, 0), [0, 8, 10, 3, 2, 1, 11, 6, 9, 7, 4, 5]);
        assert_eq!(permutation(12, 1, 0), [4, 3, 6, 7, 11, 1, 0, 5, 10, 2, 9, 8]);
        assert_eq!(permutation(12, 0, 1), [3, 9, 5, 1, 7, 10, 8, 0, 4, 2, 6, 11]);
        let last = permutation(12, u64::MAX, u64::MAX);
        assert_eq!(last, [4, 11, 1, 2, 5, 10, 3, 8, 9, 7, 6, 0]);
        let long = permutation(100_000, 7, 3);
        assert_eq!(long[..4], [48397, 8199, 42455, 41537]);
        assert_eq!(long[99_996..], [35991, 12408, 45346, 45282]);
    }

    #[test]
    fn all_orders_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..24_000 {
            *counts.entry(permutation(4, 5, epoch)).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let chi_square: f64 =
            counts.values().map(|n| (f64::from(*n) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi_square < 49.7, "{chi_square}"); // 23 degrees of freedom, one seed in a thousand fails
    }

    proptest! {
        #[test]
        fn every_item_comes_once(len in 0..2000_usize, seed: u64, epoch: u64) {
            let mut order = permutation(len, seed, epoch);
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..len));
        }

        #[test]
        fn seed_and_epoch_change_the_order(seed: u64, epoch: u64, other: u64) {
            let order = permutation(64, seed, epoch);
            prop_assert!(other == seed || permutation(64, other, epoch) != order);
            prop_assert!(other == epoch || permutation(64, seed, other) != order);
        }
    }
}
