//! Branches of a run, and what tells them from it.

use core::fmt::Debug;
use std::sync::{Arc, Weak};

use burn::tensor::Device;

#[cfg(feature = "train")]
use super::UnrecordedSteps;
use super::depths::NEXT_STEP;
use super::error::other;
use super::{Apollo, ApolloError};
use crate::generator;
use crate::policy::{Decision, Measurement, Observation, PolicyObject};
use crate::stack::{Growable, independent};

/// A branch of a run.
pub type Branch<M> = Apollo<M, TryOut>;

impl<M: Growable> Apollo<M> {
    /// A branch of this run, from where it stands.
    ///
    /// It takes memory for what it changes: its parameters once it has trained, and its optimizer's state. When it is dropped
    /// before the run goes on, the device's generator is seeded for the run's next step again.
    ///
    /// ```
    /// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
    /// # use burn::optim::{AdamWConfig, GradientsParams};
    /// # use burn_apollo::{Apollo, Plan, growable, stack::LayerStack};
    /// use burn_apollo::{expand::Stacking, apollo::GrowthRequest};
    /// # #[derive(Module, Debug)]
    /// # struct Mlp { blocks: LayerStack<Linear> }
    /// # growable!(Mlp { blocks });
    /// # let device = Device::default().autodiff();
    /// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
    /// # let loss = |model: &Mlp| {
    /// #     let x = Tensor::ones([2, 8], &device);
    /// #     model.blocks.iter().fold(x, |x: Tensor<2>, block| x.clone() + block.forward(x).tanh()).powi_scalar(2).mean()
    /// # };
    /// # let mut apollo = Apollo::new(mlp, Plan::new(100))?;
    /// # let mut optim = AdamWConfig::new().init();
    /// // Try two growths for three steps each, and go on with the better one.
    /// let mut tried = Vec::new();
    /// for growth in [GrowthRequest::next(), GrowthRequest::next().with_expander(Stacking)] {
    ///     let (mut branch, mut optim) = (apollo.branch(), optim.clone());
    ///     branch.grow(&mut optim, &growth)?;
    ///     for _ in 0..3 {
    ///         let grads = GradientsParams::from_grads(loss(branch.model()).backward(), branch.model());
    ///         branch.update(&mut optim, 1e-3, grads)?;
    ///     }
    ///     tried.push((loss(branch.model()).into_scalar::<f64>(), branch, optim));
    /// }
    /// let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("two were tried");
    /// apollo.adopt(best.1)?;
    /// optim = best.2;
    /// # let _ = optim;
    /// assert_eq!((apollo.stage(), apollo.step_count()), (1, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn branch(&self) -> Branch<M> {
        let origin = Origin {
            moment: Arc::downgrade(&self.role.moment),
            step: self.step_count(),
            stage: self.stage(),
            seeded: self.seed(NEXT_STEP).map(|seed| (self.device.clone(), seed)),
        };
        let branch = self.clone().with_role(TryOut { origin: Arc::new(origin) });
        let branch = branch.with_model(self.device.clone(), |model| independent(&model));
        branch.seed_next_step();
        branch
    }

    /// Goes on as `branch` does, with the policy of this run and what was recorded for it.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Other`] for a branch of another run, or of a moment that this one has left behind; the run stays as it
    /// is. A clone is the same run until it takes a step, grows or is loaded.
    pub fn adopt(&mut self, branch: Branch<M>) -> Result<(), ApolloError> {
        let Origin { moment, step, stage, .. } = &*branch.role.origin;
        if !core::ptr::eq(moment.as_ptr(), Arc::as_ptr(&self.role.moment)) {
            let (step_now, stage_now) = (self.step_count(), self.stage());
            let moved = (*step, *stage) != (step_now, stage_now);
            let origin = match moved && Arc::ptr_eq(&self.plan, &branch.plan) {
                true => "this run",
                false => "another run, or a clone that has parted from this one,",
            };
            return Err(other!(
                "a branch that was made of {origin} at step {step} in stage {stage} cannot be adopted at step {step_now} in \
                 stage {stage_now}"
            ));
        }
        *self = branch.with_role(self.role.clone());
        self.role.moved();
        self.seed_next_step();
        Ok(())
    }
}

impl<M, R> Apollo<M, R> {
    fn with_role<S>(self, role: S) -> Apollo<M, S> {
        let Self { model, plan, position, depths, checks, device, .. } = self;
        Apollo { model, plan, position, depths, checks, device, role }
    }
}

/// What an [`Apollo`] is: a [`Run`], or a [`TryOut`] of one. There is no other.
pub trait Role: Moves {}

impl<R: Moves> Role for R {}

/// What a role does at a step.
pub trait Moves: Clone + Debug {
    /// Whether to grow now.
    fn decide(&mut self, now: Observation<'_>) -> Decision;

    /// The next step is another, or begins in another way.
    fn moved(&mut self);
}

/// The role of a run: it asks its policy after every step.
#[derive(Debug, Clone)]
pub struct Run {
    pub(super) policy: Box<dyn PolicyObject>,
    /// Recorded since the policy was last asked.
    pub(super) measurements: Vec<Measurement>,
    /// Of a run that stands where it stands; clones share it until they go on.
    moment: Arc<()>,
    #[cfg(feature = "train")]
    pub(super) unrecorded: UnrecordedSteps,
}

impl Run {
    pub(super) fn new(policy: Box<dyn PolicyObject>) -> Self {
        Self {
            policy,
            measurements: Vec::new(),
            moment: Arc::default(),
            #[cfg(feature = "train")]
            unrecorded: UnrecordedSteps::default(),
        }
    }
}

impl Moves for Run {
    fn decide(&mut self, now: Observation<'_>) -> Decision {
        let measurements = core::mem::take(&mut self.measurements);
        match now.stage + 1 < now.stages {
            true => self.policy.decide(&Observation { measurements: &measurements, ..now }),
            false => Decision::Stay,
        }
    }

    fn moved(&mut self) {
        self.moment = Arc::default();
    }
}

/// The role of a branch: it grows by hand alone, and belongs to the moment of the run at which it was made.
#[derive(Debug, Clone)]
pub struct TryOut {
    origin: Arc<Origin>,
}

impl Moves for TryOut {
    fn decide(&mut self, _now: Observation<'_>) -> Decision {
        Decision::Stay
    }

    fn moved(&mut self) {}
}

/// Where a branch was made.
#[derive(Debug)]
struct Origin {
    moment: Weak<()>,
    step: u64,
    stage: usize,
    /// The device, and what it is seeded with for the run's next step.
    seeded: Option<(Device, u64)>,
}

/// A run that has not gone on meanwhile draws what it would have drawn.
impl Drop for Origin {
    fn drop(&mut self) {
        if let (Some((device, seed)), true) = (&self.seeded, self.moment.strong_count() > 0) {
            generator::seed(device, *seed);
        }
    }
}
