//! Growth policies: when a run passes to the next stage of its schedule.
//!
//! A [`GrowthPolicy`] decides after every optimizer step, from an [`Observation`]: at the scheduled end
//! ([`FixedPolicy`]), at a plateau of the loss ([`LossPlateau`]), or as the user says. A [`Policy`] is one of them as
//! data, for a plan. No tensor is known here.

mod error;
mod growth_policy;
mod measurement;
mod plateau;

pub use error::PolicyError;
pub(crate) use growth_policy::PolicyObject;
pub use growth_policy::{Decision, FixedPolicy, GrowthPolicy, Observation};
pub use measurement::{LOSS, Measurement};
pub use plateau::LossPlateau;

use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::custom::{Custom, ParametersError, name_or_table};

/// A [`GrowthPolicy`] as data: what a [`Plan`](crate::plan::Plan) holds.
///
/// In TOML or JSON a name, or a table for one with parameters:
///
/// ```toml
/// policy = "fixed"
/// policy = { loss_plateau = { patience = 100 } }
/// policy = { custom = { name = "every_hundred" } }   # the program supplies it
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// `fixed`, the default: where the schedule says.
    #[default]
    Fixed,
    /// `loss_plateau`
    LossPlateau(LossPlateau),
    /// A user's own: see [`Policy::custom`].
    Custom(CustomPolicy),
}

/// A growth policy of a user's own, by name and parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomPolicy(Custom<dyn PolicyObject>);

impl Policy {
    /// The names of the policies that need no parameters.
    pub const NAMES: [&str; 1] = ["fixed"];

    /// A policy of your own under a name of your own. Its parameters are what it serialises, without anything that
    /// changes while it decides. Mark that `#[serde(skip)]`, in a struct with named fields: serde skips none of a tuple
    /// struct's only field.
    ///
    /// ```
    /// use burn_apollo::policy::{Decision, GrowthPolicy, Observation, Policy};
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
    /// let policy = Policy::custom("every", Every { steps: 100, asked: 0 })?;
    /// let written = serde_json::to_string(&policy).unwrap_or_default();
    /// assert_eq!(written, r#"{"custom":{"name":"every","parameters":{"steps":100}}}"#);
    /// # Ok::<(), burn_apollo::plan::ParametersError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the parameters cannot be serialised as JSON.
    pub fn custom(
        name: &str,
        policy: impl GrowthPolicy + Clone + Serialize + 'static,
    ) -> Result<Self, ParametersError> {
        let policy = Arc::new(policy);
        let custom = Custom::new(name, policy.as_ref(), policy.clone() as _)?;
        Ok(Self::Custom(CustomPolicy(custom)))
    }

    /// The policy's name in a plan.
    pub fn name(&self) -> &str {
        match self {
            Self::Fixed => "fixed",
            Self::LossPlateau(_) => "loss_plateau",
            Self::Custom(CustomPolicy(custom)) => custom.name(),
        }
    }

    /// The policy before its first decision.
    pub(crate) fn build(&self) -> Result<Box<dyn PolicyObject>, PolicyError> {
        Ok(match self {
            Self::Fixed => Box::new(FixedPolicy),
            Self::LossPlateau(plateau) => Box::new(*plateau),
            Self::Custom(CustomPolicy(custom)) => custom
                .implementation()
                .ok_or_else(|| PolicyError::NotSupplied { name: custom.name().to_owned() })?
                .clone_object(),
        })
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(name: &str) -> Result<Self, PolicyError> {
        match name {
            "fixed" => Ok(Self::Fixed),
            _ => Err(PolicyError::UnknownPolicy { name: name.to_owned() }),
        }
    }
}

impl From<FixedPolicy> for Policy {
    fn from(_: FixedPolicy) -> Self {
        Self::Fixed
    }
}

impl From<LossPlateau> for Policy {
    fn from(plateau: LossPlateau) -> Self {
        Self::LossPlateau(plateau)
    }
}

/// The policies with parameters.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    LossPlateau(LossPlateau),
    Custom(CustomPolicy),
}

impl From<Table> for Policy {
    fn from(table: Table) -> Self {
        match table {
            Table::LossPlateau(plateau) => Self::LossPlateau(plateau),
            Table::Custom(custom) => Self::Custom(custom),
        }
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed => serializer.serialize_str(self.name()),
            Self::LossPlateau(plateau) => Table::LossPlateau(*plateau).serialize(serializer),
            Self::Custom(custom) => Table::Custom(custom.clone()).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name_or_table::<D, Self, Table>(
            deserializer,
            "the name of a policy, or a table such as { loss_plateau = { patience = 100 } }",
        )
    }
}
