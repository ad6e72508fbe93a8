//! What depends on the numbers that a device draws. The devices of a process share one generator, so these tests take
//! turns, in a process without others.

#[path = "../support/kind.rs"]
mod kind;
#[path = "../support/mod.rs"]
mod support;

mod branch_noise;
mod exact_resume;
mod initialiser;
mod kinds;
mod noisy_copies;
