//! Checkpoints as whole, checked sets, so that nothing is ever lost.
//!
//! A [`CheckpointStore`] is a folder of sets. A [set](CheckpointSet) holds all that a run needs to go on exactly where
//! it stood, and comes into being as one: the model with its position, the optimizer's state, the learning-rate
//! scheduler, the plan, numbers that the growth policy has yet to see, and whatever states of your own you add, such
//! as the position in the data.
//!
//! | file of a set | holds |
//! |---|---|
//! | `model.bpk`, `optim.bpk`, `scheduler.bpk` | Burn's records, as burnpacks |
//! | `manifest.json` | format version, step, epoch, metric, plan, measurements, your states |
//! | `SHA256SUMS` | a checksum per file; `sha256sum -c SHA256SUMS` checks a set without this crate |
//!
//! A set is the same on every backend and machine: copy the folder, and go on there.
//!
//! # In a hand-written loop
//!
//! ```
//! use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor}};
//! use burn::optim::{AdamWConfig, GradientsParams};
//! use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
//! use burn_apollo::{Apollo, Plan, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! # impl Mlp {
//! #     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
//! #         self.blocks.iter().fold(x, |x, block| x.clone() + block.forward(x).tanh())
//! #     }
//! # }
//! # fn build(device: &Device) -> Mlp {
//! #     Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(device)).collect() }
//! # }
//!
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path();
//! let device = Device::default().autodiff();
//! let store = CheckpointStore::open(folder, Retention::last(2))?;
//! let plan = Plan::new(20);
//! let mut scheduler = plan.lr.scheduler(1e-3, plan.steps)?;
//! let mut apollo = Apollo::new(build(&device), plan)?;
//! let mut optim = AdamWConfig::new().init();
//! if let Some(latest) = store.latest_good()? {
//!     latest.stepped_over.iter().for_each(|damage| eprintln!("{damage}"));
//!     (apollo, optim, scheduler) = latest.set.load(apollo, optim, scheduler)?;
//! }
//! while apollo.step_count() < apollo.total_steps() {
//!     let x = Tensor::random([2, 8], Distribution::Default, &device);
//!     let loss = apollo.model().forward(x).powi_scalar(2).mean();
//!     let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
//!     apollo.update(&mut optim, scheduler.step(), grads)?;
//!     if apollo.step_count() % 10 == 0 {
//!         store.save(Snapshot::new(&apollo, &optim, &scheduler)?)?;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is exact about it: depths, growths and the device's random numbers are functions of the seed and the step
//! ([`Plan::with_step_seeds`](crate::Plan::with_step_seeds)). What the loop itself counts, such as its
//! position in the data, goes into the set by [`Snapshot::with_state`] and comes back by [`CheckpointSet::state`].
//!
//! # Looking at a run
//!
//! [`latest_good`] finds the newest set in a folder that another process may be writing to,
//! [`best_good`] the one with the best metric, and [`CheckpointSet::load_model`] takes the model alone.
#![cfg_attr(
    feature = "train",
    doc = r#"
# Inside burn-train

burn-train's own checkpointers write three files one by one; [`SetCheckpointers`](crate::train::SetCheckpointers) writes them as a set.
"#
)]
//!
//! # Bad numbers
//!
//! A store refuses to save weights or optimizer state that are not finite, so the last good set stays.
//! [`NonFiniteGradients`](crate::apollo::NonFiniteGradients) says what happens to a step with such gradients. To roll back, load the last good
//! set and go on with other data.

mod error;
mod files;
mod find;
mod manifest;
mod restore;
mod retention;
mod same_run;
mod set;
mod snapshot;
mod store;
mod sums;

pub use error::CheckpointError;
pub use find::{FoundSet, best_good, latest_good};
pub use retention::Retention;
pub use set::{CheckpointSet, Restored};
pub use snapshot::Snapshot;
pub use store::{CheckpointStore, SaveReport};
#[cfg(feature = "train")]
pub(crate) use {
    files::{MODEL, RECORDS},
    find::epoch_of,
    manifest::Manifest,
    snapshot::{encode, to_value},
};
