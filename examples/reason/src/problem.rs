//! What is to be learned: problems whose answers take as many steps of thought as a row is long.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::group::{Group, Products};
use crate::{hop, mano};

/// What is to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The products of all prefixes of a word of a group. Its length is the number of letters.
    Group(Group),
    /// The value of an expression. Its length is the number of operations.
    Mano,
    /// The letter that so many jumps back lead to. Its length is the number of jumps.
    Hop,
}

/// What is read, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub tokens: Vec<u8>,
    pub answers: Vec<Answer>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The place of the token after which it is asked for.
    pub place: usize,
    /// How long what it depends on is, from 1.
    pub length: usize,
    pub value: u8,
}

/// Makes rows of a problem.
#[derive(Debug, Clone)]
pub enum Maker {
    Group(Products),
    Mano,
    Hop,
}

impl Problem {
    /// The lengths that rows may be made up to: shorter ones have too few rows to keep some of them for validation, and tokens
    /// tell the lengths of longer ones apart.
    pub fn lengths(self) -> (usize, usize) {
        match self {
            Self::Group(_) => (4, 1024),
            Self::Mano | Self::Hop => (1, 64),
        }
    }

    /// The length that is taken if none is given.
    pub fn usual_length(self) -> usize {
        match self {
            Self::Group(_) => 16,
            Self::Mano => 3,
            Self::Hop => 6,
        }
    }

    /// How many tokens rows of up to this length are made of.
    pub fn vocabulary(self, length: usize) -> usize {
        match self {
            Self::Group(group) => group.order() + 1,
            Self::Mano => mano::vocabulary(length),
            Self::Hop => hop::vocabulary(length),
        }
    }

    /// How many answers there are to choose from.
    pub fn values(self) -> usize {
        match self {
            Self::Group(group) => group.order(),
            Self::Mano => mano::VALUES.into(),
            Self::Hop => hop::LETTERS.into(),
        }
    }

    /// Tokens in a row.
    pub fn places(self, length: usize) -> usize {
        match self {
            Self::Group(_) => length + 1,
            Self::Mano => mano::places(length),
            Self::Hop => hop::places(length),
        }
    }

    /// Whether a model can be asked for longer rows than it has learned: where the tokens are the same.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::Group(_))
    }

    /// What the length is made of.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Group(_) => "letters",
            Self::Mano => "operations",
            Self::Hop => "jumps",
        }
    }

    pub fn maker(self) -> Maker {
        match self {
            Self::Group(group) => Maker::Group(group.products()),
            Self::Mano => Maker::Mano,
            Self::Hop => Maker::Hop,
        }
    }
}

impl Maker {
    /// A row of up to `length`.
    pub fn draw(&self, rng: &mut ChaCha8Rng, length: usize) -> Row {
        match self {
            Self::Group(products) => {
                let order = products.order() as u8;
                let letters: Vec<u8> = (0..length).map(|_| rng.random_range(0..order)).collect();
                products.row(&letters)
            }
            Self::Mano => mano::row(&mano::draw(rng, length), length),
            Self::Hop => hop::draw(rng, length),
        }
    }
}
