//! Options that several examples share.

pub mod optimizer;
pub mod plan;
pub mod preset;
pub mod rate;
pub(crate) mod resumed;
pub(crate) mod rules;
pub mod run;
pub mod text;
