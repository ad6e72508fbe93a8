//! Options that several examples share.

pub mod optimizer;
pub mod plan;
pub mod preset;
pub mod rate;
pub mod run;
pub mod text;
