//! Growth policies: when a run passes to the next stage of its schedule.
//!
//! A [`GrowthPolicy`] decides after every optimizer step, from an [`Observation`]: at the scheduled end
//! ([`FixedPolicy`]), at a plateau of the loss ([`LossPlateau`]), or as the user says. A [`GrowthPolicyConfig`] is one of them as
//! data, for a plan. No tensor is known here.

mod growth_policy;
mod measurement;
mod plateau;

pub(crate) use growth_policy::PolicyObject;
pub use growth_policy::{Decision, FixedPolicy, GrowthPolicy, Observation};
pub use measurement::{LOSS, Measurement};
pub use plateau::LossPlateau;

use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::custom::Custom;
use crate::plan_error::PlanError;

/// A [`GrowthPolicy`] as data: what a [`Plan`](crate::plan::Plan) holds.
///
/// In TOML or JSON a name, or a table for one with parameters:
///
/// ```toml
/// policy = "fixed"
/// policy = { loss_plateau = { patience = 100 } }
/// policy = { custom = { name = "every_hundred" } }   # the program supplies it
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrowthPolicyConfig {
    /// `fixed`, the default: where the schedule says.
    #[default]
    Fixed,
    /// `loss_plateau`
    LossPlateau(LossPlateau),
    /// A user's own: see [`GrowthPolicyConfig::custom`].
    Custom(Custom<dyn PolicyObject>),
}

impl GrowthPolicyConfig {
    /// The names of the policies that need no parameters.
    pub const NAMES: [&str; 1] = ["fixed"];

    /// A policy of your own under a name of your own. Its parameters are what it serialises, without anything that
    /// changes while it decides. Mark that `#[serde(skip)]`, in a struct with named fields: serde skips none of a tuple
    /// struct's only field.
    ///
    /// ```
    /// use burn_apollo::policy::{Decision, GrowthPolicy, Observation, GrowthPolicyConfig};
    ///
    /// #[derive(Debug, Clone, serde::Serialize)]
    /// struct Every {
    ///     steps: u64,
    ///     #[serde(skip)]
    ///     asked: u64,
    /// }
    ///
    /// impl GrowthPolicy for Every {
    ///     fn decide(&mut self, now: &Observation<'_>) -> Decision {
    ///         self.asked += 1; // for a log, say
    ///         if now.step - now.stage_start >= self.steps { Decision::Grow } else { Decision::Stay }
    ///     }
    /// }
    ///
    /// let policy = GrowthPolicyConfig::custom("every", Every { steps: 100, asked: 0 })?;
    /// let written = serde_json::to_string(&policy).unwrap_or_default();
    /// assert_eq!(written, r#"{"custom":{"name":"every","parameters":{"steps":100}}}"#);
    /// # Ok::<(), burn_apollo::plan::PlanError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the parameters cannot be serialised as JSON.
    pub fn custom(
        name: &str,
        policy: impl GrowthPolicy + Clone + Serialize + 'static,
    ) -> Result<Self, PlanError> {
        let policy = Arc::new(policy);
        Custom::new(name, policy.as_ref(), policy.clone() as _).map(Self::Custom)
    }

    /// The policy's name in a plan.
    pub fn name(&self) -> &str {
        match self {
            Self::Fixed => "fixed",
            Self::LossPlateau(_) => "loss_plateau",
            Self::Custom(custom) => custom.name(),
        }
    }

    /// The policy before its first decision.
    pub(crate) fn build(&self) -> Result<Box<dyn PolicyObject>, PlanError> {
        Ok(match self {
            Self::Fixed => Box::new(FixedPolicy),
            Self::LossPlateau(plateau) => Box::new(*plateau),
            Self::Custom(custom) => custom.supplied("policy", "GrowthPolicyConfig")?.clone_object(),
        })
    }
}

impl FromStr for GrowthPolicyConfig {
    type Err = PlanError;

    fn from_str(name: &str) -> Result<Self, PlanError> {
        match name {
            "fixed" => Ok(Self::Fixed),
            _ => Err(PlanError::unknown("policy", name, "fixed and tables for others")),
        }
    }
}

impl From<FixedPolicy> for GrowthPolicyConfig {
    fn from(_: FixedPolicy) -> Self {
        Self::Fixed
    }
}

impl From<LossPlateau> for GrowthPolicyConfig {
    fn from(plateau: LossPlateau) -> Self {
        Self::LossPlateau(plateau)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written and read as ever.
    #[test]
    fn it_is_data() {
        let plateau = LossPlateau::new(7).unwrap();
        let with_defaults = r#"{"loss_plateau":{"patience":7}}"#;
        assert_eq!(
            serde_json::from_str::<GrowthPolicyConfig>(with_defaults).unwrap(),
            plateau.into()
        );
        let pairs = [
            (GrowthPolicyConfig::default(), r#""fixed""#),
            (
                plateau.into(),
                r#"{"loss_plateau":{"patience":7,"threshold":0.005,"smoothing":0.9}}"#,
            ),
            (GrowthPolicyConfig::custom("mine", plateau).unwrap(), MINE),
        ];
        const MINE: &str = r#"{"custom":{"name":"mine","parameters":{"patience":7,"smoothing":0.9,"threshold":0.005}}}"#;
        for (policy, text) in pairs {
            assert_eq!(serde_json::to_string(&policy).unwrap(), text);
            assert_eq!(serde_json::from_str::<GrowthPolicyConfig>(text).unwrap(), policy);
        }
        let read = |text| serde_json::from_str::<GrowthPolicyConfig>(text).unwrap_err().to_string();
        for (text, words) in [
            (r#""lottery""#, "unknown variant `lottery`, expected one of `fixed`, `loss_plateau`"),
            (
                r#"{"loss_plateau":{"patience":0}}"#,
                "`loss_plateau.patience` must be at least 1 step",
            ),
            (r#"{"loss_plateau":{"wait":1}}"#, "unknown field `wait`"),
        ] {
            assert!(read(text).contains(words), "{} should contain {words}", read(text));
        }
    }
}
