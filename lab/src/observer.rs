//! The moments of runs and studies, in the order in which they come.

use std::cell::RefCell;
use std::path::Path;

use burn_apollo::apollo::GrowthReport;
use burn_apollo::cost::StageCost;

use crate::error::Result;
use crate::results::{Row, ValidationRow};

/// What sees a run's moments, to write or show them, to log them elsewhere or to stop the clock.
///
/// The moments stand here in the order in which they come. A run waits for its observers, first its own tables and then those of
/// [`Training::observer`](crate::Training::observer) in the order in which they were added. Nothing that an observer does changes
/// what the run computes; an error of its ends the run. The steps of [branches](crate::Run::branch) are observed too.
pub trait Observer {
    /// The run begins, goes on, or is back at a checkpoint.
    fn start(&mut self, _start: &Start<'_>) -> Result<()> {
        Ok(())
    }

    /// A step begins: its loss and its items are not known yet.
    fn before_step(&mut self, _row: &Row) -> Result<()> {
        Ok(())
    }

    /// The gradients of a micro-batch are added up.
    fn micro_batch(&mut self, _number: u64) -> Result<()> {
        Ok(())
    }

    /// The model has grown.
    fn growth(&mut self, _report: &GrowthReport) -> Result<()> {
        Ok(())
    }

    /// A step is done: its loss is not read yet.
    fn after_step(&mut self, _row: &Row) -> Result<()> {
        Ok(())
    }

    /// The loss of a step is read: some steps after it was computed, for reading makes the device wait.
    fn loss(&mut self, _row: &Row) -> Result<()> {
        Ok(())
    }

    /// The model was validated: at its unique layers, and at full depth where that is more.
    fn validation(&mut self, _rows: &[ValidationRow]) -> Result<()> {
        Ok(())
    }

    /// A checkpoint will be written: what is to be there when the run goes on from it must be on the disk.
    fn before_checkpoint(&mut self) -> Result<()> {
        Ok(())
    }

    /// A checkpoint is on the disk.
    fn checkpoint(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    /// The run is back at the checkpoint of a step, for numbers went bad after it.
    fn roll_back(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    /// No step follows: all are done, or the run stops. What it came to is still to be said.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }

    /// There is something to say, at any time.
    fn message(&mut self, _text: &str) -> Result<()> {
        Ok(())
    }
}

/// Where a run stands that begins or goes on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Start<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// The stages of its plan, with their expected depths.
    pub stages: &'a [StageCost],
    /// Layers of the full model, over all stacks.
    pub layers: usize,
    /// What a batch is made of.
    pub items: &'static str,
}

/// What sees a study's moments.
pub trait StudyObserver {
    /// A phase begins, with so many trainings to come.
    fn start(&mut self, _phase: &str, _trainings: usize) {}

    /// A training has ended, for a reason if it failed.
    fn training(&mut self, _name: &str, _failure: Option<&str>) {}

    /// The phase is over, or the study stops.
    fn end(&mut self) {}
}

/// Nobody.
impl StudyObserver for () {}

/// The observers of a run.
pub(crate) struct Observers(RefCell<Vec<Box<dyn Observer>>>);

impl Observers {
    pub fn new(observers: Vec<Box<dyn Observer>>) -> Self {
        Self(RefCell::new(observers))
    }

    /// Shows all of them a moment.
    pub fn see(&self, mut moment: impl FnMut(&mut dyn Observer) -> Result<()>) -> Result<()> {
        self.0.borrow_mut().iter_mut().try_for_each(|observer| moment(observer.as_mut()))
    }

    pub fn message(&self, text: &str) -> Result<()> {
        self.see(|observer| observer.message(text))
    }
}
