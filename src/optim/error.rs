use thiserror::Error;

use crate::plan::PlanError;

/// What is wrong with carrying optimizer state over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OptimError {
    /// The optimizer's record cannot be written or read.
    #[error("the optimizer's record cannot be {action}: {message}")]
    Record {
        /// What was tried.
        action: &'static str,
        /// What the record's format says.
        message: String,
    },
    /// Scaling needs to know how a field of the optimizer's state depends on the gradient.
    #[error(
        "cannot scale optimizer state `{field}`: name the power of the gradient it holds with \
         `MomentOrders::with_field`, or choose another moment policy"
    )]
    UnknownField {
        /// The field's path within a parameter's state.
        field: String,
    },
    /// A field to scale holds no floating-point numbers.
    #[error("cannot scale optimizer state `{field}` of type {dtype}")]
    NotFloat {
        /// The field's path within a parameter's state.
        field: String,
        /// The type of its numbers.
        dtype: String,
    },
    /// Burn would load optimizer state in another precision than the parameter's, and fail at the next step.
    ///
    /// It loads all state in the default precision of its default device; a run that is resumed meets the same.
    #[error(
        "`{what}` is {dtype}, but Burn loads optimizer state as {loaded}: give the default device that \
         precision (`Device::default().configure(…)`, before any tensor is made), or choose \
         `MomentPolicy::Reset`, which loads none"
    )]
    Precision {
        /// The parameter or the field of the optimizer's state.
        what: String,
        /// Its type.
        dtype: String,
        /// The type it would have.
        loaded: String,
    },
    /// A group of the learning rate that names layers by number, in a run that is still to grow: another layer will have the
    /// number then, and copies of one layer would be trained in different ways.
    #[error(
        "a parameter group of the learning rate names layers by number: it treats `{copy}`, which will be a copy of \
         `{param}`, in another way; name a part of the path that all layers share"
    )]
    ByNumber {
        /// The path of a parameter.
        param: String,
        /// The path that a copy of it will have.
        copy: String,
    },
    /// A group of the learning rate that names parameters of a layer by id, in a run that is still to grow: copies will have other
    /// ids, and would be trained in another way.
    #[error(
        "a parameter group of the learning rate names `{param}` by its id: copies of it will have other ids and be \
         treated in another way; name a part of the path that all layers share"
    )]
    ById {
        /// The path of the parameter.
        param: String,
    },
    /// The optimizer did not take all the state it was given.
    ///
    /// A parameter group that names layers by number or parameters by id is a likely cause.
    #[error(
        "the optimizer took {found} of {expected} state tensors; no parameter group of it may name layers \
         by number or parameters by id, since growth renumbers the ones and adds to the others"
    )]
    Dropped {
        /// State tensors given.
        expected: usize,
        /// State tensors it holds afterwards.
        found: usize,
    },
    /// The highest rate of a scheduler lies outside Burn's range.
    #[error("the peak learning rate must be above 0 and at most 1, found {found}")]
    Rate {
        /// The rate found.
        found: f64,
    },
    /// The shape of the learning rate.
    #[error(transparent)]
    Schedule(#[from] PlanError),
    /// Burn refuses a scheduler.
    #[error("the learning-rate scheduler cannot be made: {message}")]
    Scheduler {
        /// What Burn says.
        message: String,
    },
}

impl OptimError {
    pub(super) fn writing(message: String) -> Self {
        Self::Record { action: "written", message }
    }

    pub(super) fn reading(message: String) -> Self {
        Self::Record { action: "read", message }
    }
}
