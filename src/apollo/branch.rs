//! Try-outs: branches of a run that share nothing with it that changes.

use std::sync::Arc;

use super::{Apollo, ApolloError};
use crate::stack::{Growable, Untied, independent};

impl<M: Growable> Apollo<M> {
    /// A branch of the run, to try something out: it may grow by [`grow_now`](Self::grow_now) and train on clones of
    /// the optimizer and the scheduler, and this run stays as it is. Then [`adopt`](Self::adopt) a branch.
    ///
    /// It has parameters and running statistics of its own, under the same ids, and draws what this run would draw.
    /// In it the policy is not asked, the observer of growths and the step logs hear nothing, and the feed of losses
    /// is deaf until `adopt`, for a branch's losses are not the run's. So train branches one after the other, and not
    /// this run in between. (A clone would share running statistics, which Burn keeps behind a lock.)
    ///
    /// A branch that was not adopted when the process ended is tried out again by the resumed run: take
    /// checkpoints of the run, not of branches.
    ///
    /// ```
    /// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor}};
    /// # use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
    /// # use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
    /// use burn_apollo::{Apollo, ApolloConfig, Growth, expand::Stacking};
    /// # #[derive(Module, Debug)]
    /// # struct Mlp { blocks: LayerStack<Linear> }
    /// # impl Growable for Mlp {
    /// #     fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> { vec![&mut self.blocks] }
    /// # }
    /// # let device = Device::default().autodiff();
    /// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
    /// # let x = Tensor::<2>::random([2, 8], Distribution::Default, &device);
    /// # let loss = |mlp: &Mlp| {
    /// #     mlp.blocks.iter().fold(x.clone(), |x, block| x.clone() + block.forward(x).tanh()).powi_scalar(2).mean()
    /// # };
    /// # let train = |mut apollo: Apollo<Mlp>, optim: &mut ModuleOptimizer| {
    /// #     for _ in 0..3 {
    /// #         let grads = GradientsParams::from_grads(loss(&apollo).backward(), &apollo);
    /// #         apollo = apollo.optimize(optim, 1e-3, grads);
    /// #     }
    /// #     apollo
    /// # };
    /// let mut apollo = Apollo::new(mlp, ApolloConfig::new(20))?;
    /// let mut optim = AdamWConfig::new().init();
    /// let mut tried = Vec::new();
    /// for growth in [Growth::next(), Growth::next().with_expander(Stacking)] {
    ///     let (mut branch, mut optim) = (apollo.branch(), optim.clone());
    ///     branch.grow_now(&mut optim, &growth)?;
    ///     branch = train(branch, &mut optim); // a few steps
    ///     let loss = loss(&branch).into_scalar::<f64>();
    ///     tried.push((loss, branch, optim));
    /// }
    /// let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    /// apollo.adopt(best.1)?;
    /// optim = best.2;
    /// # let _ = optim;
    /// # assert_eq!((apollo.stage(), apollo.step_count()), (1, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn branch(&self) -> Self {
        let mut branch = self.clone();
        branch.model = independent(&self.model);
        branch.branch = Some(Vec::new());
        (branch.growth, branch.skipped) = (None, None);
        #[cfg(feature = "train")]
        {
            (branch.micro_batches, branch.monitor) = Default::default();
            branch.interrupter = None;
        }
        branch.plan.config.losses.set_deaf(true);
        branch.stand_at_step();
        branch
    }

    /// Goes on as `branch` does: with its parameters, step and stage. The optimizer and the scheduler that it was
    /// trained with go on with it. The observer of growths is told the branch's.
    ///
    /// To go on as if nothing had been tried, adopt a branch that was neither grown nor trained.
    ///
    /// # Errors
    ///
    /// [`ApolloError::NotABranch`] unless it is a branch of this very run; nothing is changed then.
    pub fn adopt(&mut self, branch: Self) -> Result<(), ApolloError> {
        let growths = match branch.branch {
            Some(growths) if Arc::ptr_eq(&self.plan, &branch.plan) => growths,
            _ => return Err(ApolloError::NotABranch),
        };
        self.model = branch.model;
        self.progress = branch.progress;
        (self.pmfs, self.depths) = (branch.pmfs, branch.depths);
        (self.growth, self.skipped, self.failure) = (None, branch.skipped, branch.failure);
        self.plan.config.losses.set_deaf(false);
        self.stand_at_step();
        growths.into_iter().for_each(|growth| self.tell_growth(growth));
        Ok(())
    }

    /// The model with a layer of its own for every virtual layer of the next step: a way to see the gradient of each
    /// *use* of a shared layer. [`Untied`] shows how.
    pub fn untied(&self) -> Untied<M> {
        Untied::new(&self.model)
    }
}
