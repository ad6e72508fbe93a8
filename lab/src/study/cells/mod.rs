//! The trainings of a study: what is asked for, each of them with its plan, and what they came to.

mod cell;
mod config;
mod kind;
mod pilot;
mod results;
mod setup;
mod workers;

pub(super) use cell::Cell;
pub use config::{Clock, StudyConfig};
pub use kind::CellKind;
pub(super) use results::{COMPARE, CellResult, StudyResults, lock};
pub(super) use setup::{Setup, Shape};
pub(super) use workers::{CELL, end_with_parent, train_all};
