use serde::{Deserialize, Serialize};

use super::lr_shape::steps_of;

/// How long the learning rate rises to its peak.
///
/// ```toml
/// warm_up = 0.02              # a fraction of the run
/// warm_up = { steps = 200 }   # the same for runs of all lengths
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum WarmUp {
    /// A fraction of the run in `[0, 1)`: whole steps, rounded down, at least one.
    Fraction(f64),
    /// Optimizer steps, at least one, fewer than the run has.
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

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a fraction of the run, or { steps = 200 }")]
enum Written {
    Fraction(f64),
    Table(Table),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    Steps(u64),
}

impl From<Written> for WarmUp {
    fn from(written: Written) -> Self {
        match written {
            Written::Fraction(fraction) => Self::Fraction(fraction),
            Written::Table(Table::Steps(steps)) => Self::Steps(steps),
        }
    }
}

impl From<WarmUp> for Written {
    fn from(warm_up: WarmUp) -> Self {
        match warm_up {
            WarmUp::Fraction(fraction) => Self::Fraction(fraction),
            WarmUp::Steps(steps) => Self::Table(Table::Steps(steps)),
        }
    }
}
