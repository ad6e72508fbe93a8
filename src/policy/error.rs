use thiserror::Error;

/// What is wrong with a growth policy.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A parameter of a policy lies outside its range.
    #[error("{policy}: `{field}` must be {expected}, found {found}")]
    Parameter {
        /// The policy.
        policy: &'static str,
        /// Name of the parameter.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
        /// The value found.
        found: f64,
    },
    /// A saved state is of another policy, or damaged.
    #[error("{policy}: a saved state must have {expected} numbers, found {found}")]
    State {
        /// The policy that should take the state.
        policy: &'static str,
        /// Numbers expected.
        expected: usize,
        /// Numbers found.
        found: usize,
    },
    /// A name that is no policy's.
    #[error("`policy`: {name:?} is unknown; there are {} and tables for others", super::Policy::NAMES.join(", "))]
    UnknownPolicy {
        /// The name found.
        name: String,
    },
    /// A plan names a policy of a user's own, which the program has not supplied.
    #[error(
        "`policy`: the plan names {name:?}, which the program must supply: `plan.with_policy(Policy::custom({name:?}, …)?)`"
    )]
    NotSupplied {
        /// The policy's name.
        name: String,
    },
}
