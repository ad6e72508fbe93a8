//! The models of the examples, and parts for more.

pub mod bert;
pub mod gpt;
mod language;
pub mod transformer;

pub use language::LossOutput;
