//! A run from its options to its results: the loop that all tasks share, and the folder that it writes.

pub mod device;
pub mod fault;
pub mod optimizer;
pub mod plan;
pub mod progress;
pub mod rate;
pub mod results;
pub mod run;
pub mod run_dir;
pub mod run_options;
pub mod signal;
pub mod table;
pub mod task;
pub mod train;
