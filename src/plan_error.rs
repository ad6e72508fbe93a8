//! The error of all rooms that know numbers alone.

use core::fmt;

use thiserror::Error;

/// What is wrong with a plan or a part of it: which field, what was found there and what would be right.
///
/// A sampler, expander or policy of your own makes one with [`PlanError::new`].
///
/// ```
/// use burn_apollo::Plan;
/// use burn_apollo::plan::PlanErrorKind;
///
/// let error = Plan::new(0).check(&[12]).unwrap_err();
/// assert_eq!((error.kind, error.field.as_str()), (PlanErrorKind::Value, "steps"));
/// assert_eq!(error.to_string(), "`steps` must be at least one optimizer step, found 0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct PlanError {
    /// What kind of error it is.
    pub kind: PlanErrorKind,
    /// The field: its path within the plan, or a name of your own.
    pub field: String,
    /// What was found there.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

/// The kinds of [`PlanError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanErrorKind {
    /// A value that the field cannot have, or not beside the others.
    Value,
    /// A name that is none of those that there are.
    Unknown,
    /// The plan names a sampler, expander or policy of a user's own, which the program has not supplied.
    NotSupplied,
    /// A sampler or an expander answered otherwise than it was asked.
    Answer,
}

impl PlanError {
    /// An error of kind [`PlanErrorKind::Value`], which reads "`field` must be `expected`, found `found`".
    ///
    /// ```
    /// use burn_apollo::plan::PlanError;
    ///
    /// let error = PlanError::new("ends.share", 1.5, "between 0 and 1");
    /// assert_eq!(error.to_string(), "`ends.share` must be between 0 and 1, found 1.5");
    /// ```
    pub fn new(
        field: impl Into<String>,
        found: impl fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        let (field, found, expected) = (field.into(), found.to_string(), expected.into());
        Self { kind: PlanErrorKind::Value, field, found, expected }
    }

    /// An error of that kind where what is wanted does not hold.
    pub(crate) fn unless(
        holds: bool,
        field: &str,
        found: impl fmt::Display,
        expected: &str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(field, found, expected)) }
    }

    /// Layers of which a stack of `target` can be made.
    pub(crate) fn check_layers(field: &str, layers: usize, target: usize) -> Result<(), Self> {
        let expected = format!("from 1 to the target depth of {target}");
        Self::unless((1..=target).contains(&layers), field, layers, &expected)?;
        Self::check_depth(target)
    }

    /// Deeper ones would not fit into memory.
    pub(crate) fn check_depth(depth: usize) -> Result<(), Self> {
        Self::unless(depth <= 1 << 20, "depth", depth, "at most 1048576")
    }

    pub(crate) fn unknown(field: &str, found: &str, names: &str) -> Self {
        Self { kind: PlanErrorKind::Unknown, ..Self::new(field, found, names) }
    }

    pub(crate) fn answer(field: &str, found: impl fmt::Display, asked: String) -> Self {
        Self { kind: PlanErrorKind::Answer, ..Self::new(field, found, asked) }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, field, found, expected } = self;
        match kind {
            PlanErrorKind::Value => write!(f, "`{field}` must be {expected}, found {found}"),
            PlanErrorKind::Unknown => {
                write!(f, "`{field}`: {found:?} is unknown; there are {expected}")
            }
            PlanErrorKind::NotSupplied => write!(
                f,
                "`{field}`: the plan names {found:?}, which the program must supply: `{expected}`"
            ),
            PlanErrorKind::Answer => {
                write!(f, "`{field}`, asked for {expected}, answered with {found}")
            }
        }
    }
}
