//! Try-outs of a run: growths that are trained for a while before one is adopted.

use std::cell::RefCell;
use std::rc::Rc;

use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::Tensor;
use burn_apollo::{GrowthReport, GrowthRequest, InferenceDepth, StepReport, branch};

use crate::error::{LabError, Result};
use crate::micro_batches::How;
use crate::progress::Progress;
use crate::results::Row;
use crate::run::Run;
use crate::step::{Shared, Spent, take};
use crate::task::Task;

/// A branch of a run, with an optimizer and a learning rate of its own: see [`burn_apollo::branch`].
pub struct Branch<T: Task, C> {
    branch: branch::Branch<T::Model>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    shared: Shared<T, C>,
    skipped: u64,
    shown_loss: Option<f64>,
    /// Of all branches.
    spent: Rc<RefCell<Spent>>,
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
            shown_loss: self.shown_loss,
            spent: self.tried.clone(),
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
        self.count_tried();
        Ok(())
    }

    /// Counts what branches spent since it was last counted.
    pub(crate) fn count_tried(&mut self) {
        self.state.count(&self.tried.take());
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
    pub fn step(&mut self, progress: &mut Progress) -> Result<StepReport> {
        let taken = take(
            &self.shared,
            &mut self.branch,
            (&mut self.optim, &mut self.scheduler),
            self.skipped,
            (progress, self.shown_loss),
            How::Loss,
        )?;
        self.spent.borrow_mut().add(&taken.spent);
        self.waiting.push((taken.row, taken.loss));
        Ok(taken.report)
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
