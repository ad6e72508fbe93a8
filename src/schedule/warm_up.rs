use serde::{Deserialize, Serialize};

use super::lr_shape::steps_of;

/// How long the learning rate rises to its peak.
///
/// ```toml
/// warm_up = 0.02              # a fraction of the run
/// warm_up = { steps = 200 }   # the same for runs of all lengths
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a fraction of the run, or { steps = 200 }")]
pub enum WarmUp {
    /// A fraction of the run in `[0, 1)`: whole steps, rounded down, at least one.
    Fraction(f64),
    /// Optimizer steps, at least one, fewer than the run has.
    #[serde(with = "table")]
    Steps(u64),
}

impl WarmUp {
    /// In steps of a run of so many.
    pub(super) fn steps(self, steps: u64) -> u64 {
        match self {
            Self::Fraction(fraction) => steps_of(fraction, steps),
            Self::Steps(steps) => steps,
        }
        .max(1)
    }

    /// What of it is known to be a fraction of the run.
    pub(super) fn fraction(self) -> f64 {
        match self {
            Self::Fraction(fraction) => fraction,
            Self::Steps(_) => 0.0,
        }
    }
}

impl From<f64> for WarmUp {
    fn from(fraction: f64) -> Self {
        Self::Fraction(fraction)
    }
}

/// Steps, in a table that says so.
mod table {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        steps: u64,
    }

    pub fn serialize<S: Serializer>(steps: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        Table { steps: *steps }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        Table::deserialize(deserializer).map(|table| table.steps)
    }
}
