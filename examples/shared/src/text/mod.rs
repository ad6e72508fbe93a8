//! Texts: their tokens, what a model of them is trained on, and what it writes.

pub mod corpus;
pub mod generate;
pub mod next_token;
