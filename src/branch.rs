//! Try-outs: branches of a run that share nothing with it that changes.
//!
//! [`Apollo::try_out`] lends a closure the run and makes branches of it, which may grow and train; one of them is
//! adopted when the closure ends, or none. A branch cannot leave the closure, so it cannot be adopted later or by another
//! run, saved, or branched again.
//!
//! # What cannot be written
//!
//! That a branch is adopted by the run it was made of, while its try-out goes on, is checked by the compiler. This can be
//! written:
//!
//! ```
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! fn adopt(run: &mut Apollo<Mlp>) -> Result<(), ApolloError> {
//!     run.try_out(|run| Ok((Some(run.branch()), ())))
//! }
//! ```
//!
//! A branch of another run cannot be adopted:
//!
//! ```compile_fail
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! fn adopt(run: &mut Apollo<Mlp>, other: &mut Apollo<Mlp>) -> Result<(), ApolloError> {
//!     other.try_out(|other| {
//!         run.try_out(|_| Ok::<_, ApolloError>((Some(other.branch()), ())))?;
//!         Ok((None, ()))
//!     })
//! }
//! ```
//!
//! Nor can a run itself, which is no branch:
//!
//! ```compile_fail,E0308
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! fn adopt(run: &mut Apollo<Mlp>, other: Apollo<Mlp>) -> Result<(), ApolloError> {
//!     run.try_out(|_| Ok((Some(other), ())))
//! }
//! ```
//!
//! A branch cannot be kept, and so not be adopted later, after the run has gone on:
//!
//! ```compile_fail,E0521
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! fn keep(run: &mut Apollo<Mlp>) -> Result<(), ApolloError> {
//!     let mut kept = None;
//!     run.try_out(|run| {
//!         kept = Some(run.branch());
//!         Ok((None, ()))
//!     })
//! }
//! ```
//!
//! The run does not go on while branches of it are tried:
//!
//! ```compile_fail,E0501
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! fn go_on(run: &mut Apollo<Mlp>, optim: &mut ModuleOptimizer) -> Result<(), ApolloError> {
//!     run.try_out(|_| {
//!         run.grow(optim, &burn_apollo::GrowthRequest::next())?;
//!         Ok((None, ()))
//!     })
//! }
//! ```
//!
//! A branch has no branches, and cannot be saved or finished as a run can:
//!
//! ```compile_fail,E0599
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! fn nest(run: &mut Apollo<Mlp>) -> Result<(), ApolloError> {
//!     run.try_out(|run| {
//!         run.branch().try_out(|inner| Ok((Some(inner.branch()), ())))?;
//!         Ok((None, ()))
//!     })
//! }
//! ```
//!
//! ```compile_fail,E0308
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! # use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
//! use burn_apollo::checkpoint::Snapshot;
//!
//! fn save(run: &mut Apollo<Mlp>, optim: &ModuleOptimizer, lr: &ModuleLrScheduler) -> Result<(), ApolloError> {
//!     run.try_out(|run| {
//!         let saved = Snapshot::new(&run.branch(), optim, lr);
//!         Ok((None, drop(saved)))
//!     })
//! }
//! ```
//!
//! ```compile_fail,E0599
//! # use burn::{module::Module, nn::Linear, optim::ModuleOptimizer};
//! # use burn_apollo::{Apollo, ApolloError, growable, stack::LayerStack};
//! # #[derive(Module, Debug)]
//! # struct Mlp { blocks: LayerStack<Linear> }
//! # growable!(Mlp { blocks });
//! fn finish(run: &mut Apollo<Mlp>) -> Result<Mlp, ApolloError> {
//!     run.try_out(|run| Ok((None, run.branch().into_inner()?)))
//! }
//! ```

use core::marker::PhantomData;

use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};

use crate::apollo::{
    Apollo, ApolloError, Ask, GrowthReport, GrowthRequest, InferenceDepth, StepReport,
};
use crate::stack::{Growable, independent};

/// A lifetime that stands for one try-out and fits no other.
type Brand<'id> = PhantomData<fn(&'id ()) -> &'id ()>;

/// The run that branches are made of, while a try-out goes on.
#[derive(Debug)]
pub struct TryOut<'id, M> {
    run: &'id Apollo<M>,
    brand: Brand<'id>,
}

/// A branch of a run: it may grow and train on clones of the optimizer and the scheduler, and the run stays as it is.
///
/// It has parameters and running statistics of its own, under the same ids, and draws what the run would draw; the growth
/// policy is not asked. Train one branch after the other: they share the device's random generator.
#[derive(Debug)]
pub struct Branch<'id, M> {
    apollo: Apollo<M>,
    brand: Brand<'id>,
}

impl<M: Growable> Apollo<M> {
    /// Tries something out in branches, and goes on as the branch that `f` gives back, if it gives one: with its
    /// parameters, step and stage. The value beside it is for what belongs to the branch: optimizer and scheduler.
    ///
    /// A try-out that had not ended when the process did is made again by the resumed run.
    ///
    /// ```
    /// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor}};
    /// # use burn::optim::{AdamWConfig, GradientsParams};
    /// # use burn_apollo::{growable, stack::LayerStack};
    /// use burn_apollo::{Apollo, ApolloError, GrowthRequest, Plan, expand::Stacking};
    /// # #[derive(Module, Debug)]
    /// # struct Mlp { blocks: LayerStack<Linear> }
    /// # growable!(Mlp { blocks });
    /// # let device = Device::default().autodiff();
    /// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
    /// # let x = Tensor::<2>::random([2, 8], Distribution::Default, &device);
    /// # let loss = |mlp: &Mlp| {
    /// #     mlp.blocks.iter().fold(x.clone(), |x, block| x.clone() + block.forward(x).tanh()).powi_scalar(2).mean()
    /// # };
    /// let mut apollo = Apollo::new(mlp, Plan::new(20))?;
    /// let optim = AdamWConfig::new().init();
    /// let optim = apollo.try_out(|run| {
    ///     let mut tried = Vec::new();
    ///     for growth in [GrowthRequest::next(), GrowthRequest::next().with_expander(Stacking)] {
    ///         let (mut branch, mut optim) = (run.branch(), optim.clone());
    ///         branch.grow(&mut optim, &growth)?;
    ///         for _ in 0..3 {
    ///             let grads = GradientsParams::from_grads(loss(branch.model()).backward(), branch.model());
    ///             branch.update(&mut optim, 1e-3, grads)?;
    ///         }
    ///         tried.push((loss(branch.model()).into_scalar::<f64>(), branch, optim));
    ///     }
    ///     let (_, best, optim) = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("two were tried");
    ///     Ok::<_, ApolloError>((Some(best), optim))
    /// })?;
    /// # let _ = optim;
    /// assert_eq!((apollo.stage(), apollo.step_count()), (1, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `f` gives; the run then stays as it was.
    pub fn try_out<T, E>(
        &mut self,
        f: impl for<'id> FnOnce(&TryOut<'id, M>) -> Result<(Option<Branch<'id, M>>, T), E>,
    ) -> Result<T, E> {
        let ended = f(&TryOut { run: self, brand: PhantomData });
        let ended = ended.map(|(branch, value)| (branch.map(|branch| branch.apollo), value));
        let ended = ended.map(|(branch, value)| {
            branch.into_iter().for_each(|branch| self.adopt(branch));
            value
        });
        self.seed_next_step();
        ended
    }
}

impl<'id, M: Growable> TryOut<'id, M> {
    /// The run as it was when the try-out began.
    pub fn run(&self) -> &Apollo<M> {
        self.run
    }

    /// A new branch.
    pub fn branch(&self) -> Branch<'id, M> {
        let apollo = self.run.clone();
        let device = apollo.device().clone();
        let apollo = apollo.with_model(device, |model| independent(&model));
        apollo.seed_next_step();
        Branch { apollo, brand: PhantomData }
    }
}

impl<M: Growable> Branch<'_, M> {
    /// As [`Apollo::update`], but the policy is not asked.
    ///
    /// # Errors
    ///
    /// As [`Apollo::update`].
    pub fn update(
        &mut self,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        mut grads: GradientsParams,
    ) -> Result<StepReport, ApolloError> {
        let lr = self.apollo.checked_rate(lr.into())?;
        self.apollo.without_frozen([&mut grads]);
        let bad = self.apollo.bad_gradient([&grads])?;
        self.apollo.updated(optim, bad, Ask::Nobody, |model, optim| optim.step(lr, model, grads))
    }

    /// As [`Apollo::grow`].
    ///
    /// # Errors
    ///
    /// As [`Apollo::grow`].
    pub fn grow(
        &mut self,
        optim: &mut ModuleOptimizer,
        request: &GrowthRequest,
    ) -> Result<GrowthReport, ApolloError> {
        self.apollo.grow(optim, request)
    }

    /// As [`Apollo::micro_batch`].
    ///
    /// # Errors
    ///
    /// As [`Apollo::micro_batch`].
    pub fn micro_batch(&self, index: u64) -> Result<M, ApolloError> {
        self.apollo.micro_batch(index)
    }

    /// As [`Apollo::at_depth`].
    ///
    /// # Errors
    ///
    /// As [`Apollo::at_depth`].
    pub fn at_depth(&self, depth: InferenceDepth) -> Result<M, ApolloError> {
        self.apollo.at_depth(depth)
    }

    /// The branch's model, at the depth of its next step.
    pub fn model(&self) -> &M {
        self.apollo.model()
    }

    /// Optimizer steps done, those of the run included.
    pub fn step_count(&self) -> u64 {
        self.apollo.step_count()
    }

    /// The current stage, from 0.
    pub fn stage(&self) -> usize {
        self.apollo.stage()
    }

    /// Unique layers now, over all stacks.
    pub fn unique_layers(&self) -> usize {
        self.apollo.unique_layers()
    }

    /// Virtual depth of the next step, over all stacks.
    pub fn depth(&self) -> usize {
        self.apollo.depth()
    }

    /// The factor that the plan puts on the learning rate of the next step.
    pub fn lr_factor(&self) -> f64 {
        self.apollo.lr_factor()
    }
}
