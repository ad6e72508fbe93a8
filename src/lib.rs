#![deny(missing_docs)]
#![forbid(unsafe_code)]
//! Progressive depth training for any Burn model.

pub mod apollo;
pub mod depth;
pub mod expand;
pub mod optim;
pub mod registry;
pub mod schedule;
pub mod stack;

pub use apollo::{Apollo, ApolloConfig, ApolloError, GrowthReport, InferenceDepth};
