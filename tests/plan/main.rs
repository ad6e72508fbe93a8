//! The parts of a plan, which know no tensor: depths, layer maps, schedules.

mod depth;
mod expand;
mod schedule;
