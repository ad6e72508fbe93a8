//! Try-outs of a run: growths that are trained for a while before one is adopted.

use std::cell::RefCell;

use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::Tensor;
use burn_apollo::{GrowthReport, GrowthRequest, InferenceDepth, StepReport, branch};

use crate::error::{LabError, Result};
use crate::results::Row;
use crate::run::state::Run;
use crate::run::step::{Shared, Spent, take};
use crate::task::Task;

/// The run that branches are made of, while a try-out goes on.
pub struct TryOut<'a, 'id, T: Task, C> {
    run: &'a branch::TryOut<'id, T::Model>,
    optim: &'a ModuleOptimizer,
    scheduler: &'a ModuleLrScheduler,
    shared: &'a Shared<T, C>,
    skipped: u64,
    /// Of all branches.
    spent: &'a RefCell<Spent>,
}

/// A branch of a run, with an optimizer and a learning rate of its own: see [`burn_apollo::branch`].
pub struct Branch<'a, 'id, T: Task, C> {
    branch: branch::Branch<'id, T::Model>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    shared: &'a Shared<T, C>,
    skipped: u64,
    spent: &'a RefCell<Spent>,
    /// Steps whose loss is not read yet.
    waiting: Vec<(Row, Tensor<1>)>,
}

impl<T: Task, C> Run<T, C> {
    /// Tries something out in branches, and goes on as the branch that `f` gives back, if it gives one. What all
    /// branches cost counts as the run's.
    ///
    /// # Errors
    ///
    /// What `f` gives; the run then stays as it was.
    pub fn try_out(
        &mut self,
        f: impl for<'a, 'id> FnOnce(&TryOut<'a, 'id, T, C>) -> Result<Option<Branch<'a, 'id, T, C>>>,
    ) -> Result<()> {
        let spent = RefCell::new(Spent::default());
        let Self { shared, apollo, optim, scheduler, state, .. } = self;
        let skipped = state.skipped;
        let adopted = apollo.try_out(|run| {
            let spent = &spent;
            let (optim, scheduler) = (&*optim, &*scheduler);
            let try_out = TryOut { run, optim, scheduler, shared, skipped, spent };
            Ok::<_, LabError>(match f(&try_out)? {
                Some(Branch { branch, optim, scheduler, waiting, .. }) => {
                    (Some(branch), Some((optim, scheduler, waiting)))
                }
                None => (None, None),
            })
        });
        self.count(&spent.borrow());
        if let Some((optim, scheduler, waiting)) = adopted? {
            (self.optim, self.scheduler) = (optim, scheduler);
            self.waiting.extend(waiting);
        }
        Ok(())
    }
}

impl<'a, 'id, T: Task, C> TryOut<'a, 'id, T, C> {
    /// A new branch.
    pub fn branch(&self) -> Branch<'a, 'id, T, C> {
        Branch {
            branch: self.run.branch(),
            optim: self.optim.clone(),
            scheduler: self.scheduler.clone(),
            shared: self.shared,
            skipped: self.skipped,
            spent: self.spent,
            waiting: Vec::new(),
        }
    }

    /// Says something to the run's observers.
    ///
    /// # Errors
    ///
    /// Theirs.
    pub fn message(&self, text: &str) -> Result<()> {
        self.shared.observers.message(text)
    }
}

impl<T: Task, C> Branch<'_, '_, T, C> {
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
        let optim = (&mut self.optim, &mut self.scheduler);
        let taken = take(self.shared, &mut self.branch, optim, self.skipped, None)?;
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
