//! Finite groups.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::problem::{Answer, Row};

/// A group whose words are multiplied.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// All permutations of three things: 6, solvable
    #[default]
    S3,
    /// All permutations of five things: 120, not solvable
    S5,
    /// The even permutations of five things: 60, not solvable
    A5,
    /// The numbers from 0 to 5, added modulo 6: abelian, so that a sum over the word is enough
    Z6,
}

/// What the elements of a group, as numbers from 0 (the identity), come to as products.
#[derive(Debug, Clone)]
pub struct Products {
    order: usize,
    /// `a · b` at `a · order + b`.
    table: Vec<u8>,
}

impl Group {
    /// How many elements it has.
    pub fn order(self) -> usize {
        match self {
            Self::S3 | Self::Z6 => 6,
            Self::S5 => 120,
            Self::A5 => 60,
        }
    }

    pub fn products(self) -> Products {
        let of_permutations = |permutations: Vec<Vec<u8>>| {
            let place = |found: Vec<u8>| {
                permutations.binary_search(&found).expect("a group is closed") as u8
            };
            let pairs = permutations.iter().flat_map(|a| permutations.iter().map(move |b| (a, b)));
            pairs.map(|(a, b)| place(a.iter().map(|i| b[usize::from(*i)]).collect())).collect()
        };
        let table = match self {
            Self::S3 => of_permutations(permutations(3)),
            Self::S5 => of_permutations(permutations(5)),
            Self::A5 => {
                let even = permutations(5).into_iter().filter(|p| is_even(p)).collect();
                of_permutations(even)
            }
            Self::Z6 => (0..6).flat_map(|a| (0..6).map(move |b| (a + b) % 6)).collect(),
        };
        Products { order: self.order(), table }
    }
}

impl Products {
    /// How many elements the group has.
    pub fn order(&self) -> usize {
        self.order
    }

    /// A word and the products of all its prefixes, after a token that says where it begins: attention that sees how far apart
    /// letters are, and no more, could not tell a letter from its repetition.
    pub fn row(&self, letters: &[u8]) -> Row {
        let products = (1..).zip(self.prefixes(letters));
        let answer = |(place, value)| Answer { place, length: place, value };
        let tokens = [&[self.order as u8], letters].concat();
        Row { tokens, answers: products.map(answer).collect() }
    }

    /// The element that `a` and then `b` come to.
    pub fn of(&self, a: u8, b: u8) -> u8 {
        self.table[usize::from(a) * self.order + usize::from(b)]
    }

    /// The products of all prefixes of a word.
    fn prefixes(&self, word: &[u8]) -> Vec<u8> {
        let product = |so_far: &mut u8, letter: &u8| {
            *so_far = self.of(*so_far, *letter);
            Some(*so_far)
        };
        word.iter().scan(0, product).collect()
    }
}

/// The permutations of `count` things in the order of a dictionary.
fn permutations(count: u8) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        let longer = |begin: &Vec<u8>| {
            let rest = (0..count).filter(|i| !begin.contains(i));
            rest.map(|i| [begin.as_slice(), &[i]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

fn is_even(permutation: &[u8]) -> bool {
    let swapped = |(i, a): (usize, &u8)| permutation[i..].iter().filter(|b| *b < a).count();
    permutation.iter().enumerate().map(swapped).sum::<usize>().is_multiple_of(2)
}

/// The elements of a text such as `1 4 2`.
pub fn parse(text: &str, order: usize) -> Result<Vec<u8>, String> {
    let element = |word: &str| {
        let element = word.parse().ok().filter(|element| usize::from(*element) < order);
        element.ok_or_else(|| format!("`{word}` is not an element from 0 to {}", order - 1))
    };
    text.split_whitespace().map(element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Group, usize, bool); 4] = [
        (Group::S3, 6, false),
        (Group::S5, 120, false),
        (Group::A5, 60, false),
        (Group::Z6, 6, true),
    ];

    #[test]
    fn groups_are_groups() {
        for (group, order, _) in ALL {
            let products = group.products();
            let all = || 0..order as u8;
            assert_eq!((group.order(), products.table.len()), (order, order * order), "{group:?}");
            for a in all() {
                assert_eq!((products.of(0, a), products.of(a, 0)), (a, a), "{group:?}: identity");
                assert!(all().any(|b| products.of(a, b) == 0), "{group:?}: {a} has no inverse");
                for b in all() {
                    let ab = products.of(a, b);
                    assert!(usize::from(ab) < order);
                    let associative =
                        |c: u8| products.of(ab, c) == products.of(a, products.of(b, c));
                    assert!(all().all(associative), "{group:?}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn the_cyclic_group_alone_is_abelian() {
        for (group, order, abelian) in ALL {
            let products = group.products();
            let pairs = (0..order as u8).flat_map(|a| (0..order as u8).map(move |b| (a, b)));
            let found = pairs.into_iter().all(|(a, b)| products.of(a, b) == products.of(b, a));
            assert_eq!(found, abelian, "{group:?}");
        }
    }

    #[test]
    fn prefixes_are_multiplied_from_the_left() {
        let products = Group::S3.products();
        // 021 (swap the last two), then 102 (swap the first two): 0 → 0 → 1, 1 → 2 → 2, 2 → 1 → 0 is 120, the fourth.
        assert_eq!(products.prefixes(&[1, 2, 0]), [1, 3, 3]);
        assert_eq!(Group::Z6.products().prefixes(&[4, 4, 5]), [4, 2, 1]);
    }
}
