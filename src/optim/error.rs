use thiserror::Error;

/// Why a run cannot go on with an optimizer or its learning rates.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct OptimError(pub(super) String);
