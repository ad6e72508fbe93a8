//! Branches of a run: growths that are trained for a while before one is adopted.

use std::rc::Rc;

use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::Tensor;
use burn_apollo::{
    apollo::{GrowthReport, GrowthRequest, InferenceDepth, StepReport},
    branch,
};

use crate::error::{LabError, Result};
use crate::results::Row;
use crate::run::state::Run;
use crate::run::step::{Shared, Spent, take};
use crate::task::Task;

/// A branch of a run, with an optimizer and a learning rate of its own: see [`burn_apollo::branch`].
pub struct Branch<T: Task, C> {
    branch: branch::Branch<T::Model>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    shared: Rc<Shared<T, C>>,
    skipped: u64,
    /// Steps whose loss is not read yet.
    waiting: Vec<(Row, Tensor<1>)>,
}

impl<T: Task, C> Run<T, C> {
    /// A branch of the run, from where it stands. What all branches cost counts as the run's.
    pub fn branch(&self) -> Branch<T, C> {
        Branch {
            branch: self.apollo.branch(),
            optim: self.optim.clone(),
            scheduler: self.scheduler.clone(),
            shared: self.shared.clone(),
            skipped: self.state.skipped,
            waiting: Vec::new(),
        }
    }

    /// Goes on as the branch does.
    ///
    /// # Errors
    ///
    /// For a branch that was not made of this run where it stands now; the run stays as it is.
    pub fn adopt(&mut self, branch: Branch<T, C>) -> Result<()> {
        self.apollo.adopt(branch.branch).map_err(LabError::Step)?;
        (self.optim, self.scheduler) = (branch.optim, branch.scheduler);
        self.waiting.extend(branch.waiting);
        self.count(Spent::default());
        Ok(())
    }
}

impl<T: Task, C> Branch<T, C> {
    /// Grows before the next step.
    ///
    /// # Errors
    ///
    /// A growth that failed; the branch is as it was.
    pub fn grow(&mut self, request: &GrowthRequest) -> Result<GrowthReport> {
        self.branch.grow(&mut self.optim, request).map_err(LabError::Step)
    }

    /// One optimizer step, over all of its micro-batches.
    ///
    /// # Errors
    ///
    /// As [`Run::step`].
    pub fn step(&mut self) -> Result<StepReport> {
        let Self { branch, optim, scheduler, shared, .. } = self;
        // A branch has no policy.
        let record = |_: &mut branch::Branch<T::Model>, _, _| {};
        let outcome = take(shared, branch, (optim, scheduler), self.skipped, None, record)?;
        shared.tried.borrow_mut().add(&outcome.spent);
        self.waiting.push((outcome.row, outcome.loss));
        Ok(outcome.report)
    }

    /// Optimizer steps done, those of the run included.
    pub fn step_count(&self) -> u64 {
        self.branch.step_count()
    }

    /// The loss on data that the model is not trained on.
    ///
    /// # Errors
    ///
    /// As [`Run::score`].
    pub fn loss(&self, depth: InferenceDepth) -> Result<f64> {
        let model = self.branch.at_depth(depth).map_err(LabError::Step)?;
        Ok(self.shared.task.validate(&model, &self.shared.device)?.loss)
    }
}
