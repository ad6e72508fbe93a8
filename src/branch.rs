//! Try-outs: branches of a run that share nothing with it that changes.
//!
//! [`Apollo::branch`](crate::Apollo::branch) makes one. It may grow and train, on clones of the optimizer and the scheduler,
//! while the run stays as it is; [`Apollo::adopt`](crate::Apollo::adopt) goes on as one of them. A [`Branch`] is an
//! [`Apollo`](crate::Apollo) in all but this: it has no policy, so that nothing is recorded for one, and it cannot be
//! branched, saved or finished.
//!
//! ```compile_fail,E0308
//! # use burn::optim::{ModuleOptimizer, lr_scheduler::module_lr_scheduler::ModuleLrScheduler};
//! # use burn_apollo::{checkpoint::Snapshot, branch::Branch, stack::Growable};
//! fn save<M: Growable>(branch: &Branch<M>, optim: &ModuleOptimizer, lr: &ModuleLrScheduler) {
//!     drop(Snapshot::new(branch, optim, lr));
//! }
//! ```

pub use crate::apollo::{Branch, Role, Run, TryOut};
