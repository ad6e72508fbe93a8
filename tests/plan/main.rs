//! The parts of a plan, which know no tensor: costs, depths, layer maps, schedules.

mod cost;
mod depth;
mod expand;
mod schedule;
