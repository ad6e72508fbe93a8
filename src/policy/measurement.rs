use serde::{Deserialize, Serialize};

/// The name of the training loss among the numbers that a policy sees.
pub const LOSS: &str = "loss";

/// A number that a training loop measured at an optimizer step: its [`LOSS`], or any other that its policy knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The optimizer step, from 0.
    pub step: u64,
    /// What was measured.
    pub name: String,
    /// The number found, in whatever unit the policy expects.
    #[serde(with = "number")]
    pub value: f64,
    /// Virtual depth of the step, over all stacks, as it was drawn: a shallow step of a model that runs at several depths
    /// has another loss than a deep one. 0 where it is not known.
    #[serde(default)]
    pub depth: usize,
}

impl Measurement {
    /// The training loss of a step that ran at `depth`.
    pub fn loss(step: u64, value: f64, depth: usize) -> Self {
        Self { step, name: LOSS.to_owned(), value, depth }
    }
}

/// A number, as a string where it is not finite: JSON has no word for that.
mod number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number, \"NaN\", \"inf\" or \"-inf\"")]
    enum Number {
        Finite(f64),
        NotFinite(String),
    }

    pub fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match x.is_finite() {
            true => x.serialize(serializer),
            false => x.to_string().serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Finite(x) => Ok(x),
            Number::NotFinite(text) => {
                text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not a number")))
            }
        }
    }
}
