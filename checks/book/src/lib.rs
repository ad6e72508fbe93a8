//! The book in `docs/`: its drawings, and its chapters as tests.
//!
//! Every Rust block of the chapters is a documentation test of this package. Lines of a block that begin with `# ` are
//! hidden in the built book; they take [`Net`] and its data from here.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod chapters;
mod drawings;
mod waves;

pub use drawings::{Drawing, all};
pub use waves::{Block, Net, Rows, loader, points};
