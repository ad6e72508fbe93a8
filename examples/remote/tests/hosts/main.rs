//! Trainings over several hosts on this machine.

mod bandwidth;
mod multi_device;
mod program;
mod proxy;
mod reads;
mod server;
#[path = "../../../../tests/support/mod.rs"]
mod support;
