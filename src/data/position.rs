use serde::{Deserialize, Serialize};

/// A place in the shuffled data: what goes into a checkpoint beside model and optimizer.
///
/// ```
/// use burn_apollo::data::DataPosition;
///
/// let position = DataPosition { offset: 96, ..DataPosition::after_epoch(42, 2) };
/// assert_eq!(position, DataPosition { seed: 42, epoch: 2, offset: 96 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPosition {
    /// The seed of all permutations.
    pub seed: u64,
    /// Epochs that are done.
    pub epoch: u64,
    /// Items of the current epoch that are done.
    pub offset: u64,
}

impl DataPosition {
    /// The beginning of the first epoch.
    #[must_use]
    pub const fn start(seed: u64) -> Self {
        Self::after_epoch(seed, 0)
    }

    /// The end of an epoch as burn-train counts them, from 1: a run with `.checkpoint(epoch)` goes on here.
    #[must_use]
    pub const fn after_epoch(seed: u64, epoch: usize) -> Self {
        Self { seed, epoch: epoch as u64, offset: 0 }
    }

    /// The beginning of the epoch after this one.
    pub(super) const fn next_epoch(self) -> Self {
        Self { epoch: self.epoch.wrapping_add(1), offset: 0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_fields_are_refused() {
        let read = serde_json::from_str::<DataPosition>;
        let position = DataPosition { seed: u64::MAX, epoch: 2, offset: 3 };
        let written = r#"{"seed":18446744073709551615,"epoch":2,"offset":3}"#;
        assert_eq!(serde_json::to_string(&position).unwrap(), written);
        assert_eq!(read(written).unwrap(), position);
        for bad in [
            r#"{"seed":1,"epoch":2}"#,
            r#"{"seed":1,"epoch":2,"offset":3,"step":4}"#,
            r#"{"seed":1,"epoch":2,"offset":-3}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
