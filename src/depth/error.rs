use thiserror::Error;

/// What is wrong with a depth distribution.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum DepthError {
    /// The unique layers are none, or more than the target depth.
    #[error("unique layers must lie in 1..={target} (the target depth), found {unique}")]
    Unique {
        /// Unique layers asked for.
        unique: usize,
        /// Target depth.
        target: usize,
    },
    /// A parameter of a sampler lies outside its range.
    #[error("{sampler}: `{field}` must be {expected}, found {found}")]
    Parameter {
        /// Name of the sampler.
        sampler: &'static str,
        /// Name of the parameter.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
        /// The value found.
        found: f64,
    },
    /// A weight of a distribution is negative, infinite or not a number.
    #[error("the weight of depth {depth} must be finite and at least 0, found {found}")]
    Weight {
        /// The depth whose weight it is.
        depth: usize,
        /// The weight found.
        found: f64,
    },
    /// The weights of a distribution are missing or all zero.
    #[error("a depth distribution needs at least one positive weight")]
    NoWeight,
    /// A sampler answered with a distribution over other depths than it was asked for.
    #[error(
        "a sampler must answer with depths {unique}..={target}, found {found_low}..={found_high}"
    )]
    Support {
        /// Unique layers asked for.
        unique: usize,
        /// Target depth asked for.
        target: usize,
        /// Least depth of the answer.
        found_low: usize,
        /// Greatest depth of the answer.
        found_high: usize,
    },
    /// A name that is no sampler's.
    #[error("`sampler`: {name:?} is unknown; there are {}", super::Sampler::NAMES.join(", "))]
    UnknownSampler {
        /// The name found.
        name: String,
    },
    /// A plan names a sampler of a user's own, which the program has not supplied.
    #[error(
        "`sampler`: the plan names {name:?}, which the program must supply: `plan.with_sampler(Sampler::custom({name:?}, …)?)`"
    )]
    NotSupplied {
        /// The sampler's name.
        name: String,
    },
    /// A depth beyond any model's: its distribution would not fit into memory.
    #[error("a depth of {depth} is too much: at most {limit}")]
    TooDeep {
        /// The depth.
        depth: usize,
        /// The greatest depth.
        limit: usize,
    },
}
