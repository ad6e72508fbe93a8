use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Expander, Interpolation, LayerMap, MiddleStacking, Stacking};
use crate::custom::Custom;
use crate::plan_error::PlanError;

/// An [`Expander`] as data: what a [`Plan`](crate::plan::Plan) holds.
///
/// In TOML or JSON a name, or a table for one with parameters:
///
/// ```toml
/// expander = "stacking"
/// expander = { middle_stacking = { block = 2 } }
/// expander = { custom = { name = "top" } }   # the program supplies it
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExpanderConfig {
    /// `interpolation`, the default.
    #[default]
    Interpolation,
    /// `stacking`
    Stacking,
    /// `middle_stacking`
    MiddleStacking(MiddleStacking),
    /// A user's own: see [`ExpanderConfig::custom`].
    Custom(Custom<dyn Expander>),
}

impl ExpanderConfig {
    /// The names of the expanders that need no parameters.
    pub const NAMES: [&str; 2] = ["interpolation", "stacking"];

    /// An expander of your own under a name of your own. Its parameters are what it serialises.
    ///
    /// # Errors
    ///
    /// Where the parameters cannot be serialised as JSON.
    pub fn custom(
        name: &str,
        expander: impl Expander + Serialize + 'static,
    ) -> Result<Self, PlanError> {
        let expander = Arc::new(expander);
        Custom::new(name, expander.as_ref(), expander.clone() as _).map(Self::Custom)
    }

    /// The expander's name in a plan.
    pub fn name(&self) -> &str {
        match self {
            Self::Interpolation => "interpolation",
            Self::Stacking => "stacking",
            Self::MiddleStacking(_) => "middle_stacking",
            Self::Custom(custom) => custom.name(),
        }
    }

    fn expander(&self) -> Result<&dyn Expander, PlanError> {
        Ok(match self {
            Self::Interpolation => &Interpolation,
            Self::Stacking => &Stacking,
            Self::MiddleStacking(middle) => middle,
            Self::Custom(custom) => custom.supplied("expander", "ExpanderConfig")?,
        })
    }
}

/// Holds the expander to its contract.
impl Expander for ExpanderConfig {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        if source == target {
            return Ok(LayerMap::identity(source));
        }
        let map = self.expander()?.map(source, target)?;
        if (map.source(), map.target()) != (source, target) {
            let found = format!("{} → {}", map.source(), map.target());
            let asked = format!("{source} → {target} layers");
            return Err(PlanError::answer("expander", found, asked));
        }
        Ok(map)
    }
}

impl FromStr for ExpanderConfig {
    type Err = PlanError;

    fn from_str(name: &str) -> Result<Self, PlanError> {
        let found = [Self::Interpolation, Self::Stacking].into_iter().find(|e| e.name() == name);
        let names = || Self::NAMES.join(", ") + " and tables for others";
        found.ok_or_else(|| PlanError::unknown("expander", name, &names()))
    }
}

impl From<Interpolation> for ExpanderConfig {
    fn from(_: Interpolation) -> Self {
        Self::Interpolation
    }
}

impl From<Stacking> for ExpanderConfig {
    fn from(_: Stacking) -> Self {
        Self::Stacking
    }
}

impl From<MiddleStacking> for ExpanderConfig {
    fn from(middle: MiddleStacking) -> Self {
        Self::MiddleStacking(middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written and read as ever.
    #[test]
    fn it_is_data() {
        let pairs = [
            (ExpanderConfig::default(), r#""interpolation""#),
            (ExpanderConfig::Stacking, r#""stacking""#),
            (MiddleStacking::new(2).unwrap().into(), r#"{"middle_stacking":{"block":2}}"#),
            (ExpanderConfig::custom("top", Stacking).unwrap(), r#"{"custom":{"name":"top"}}"#),
        ];
        for (expansion, text) in pairs {
            assert_eq!(serde_json::to_string(&expansion).unwrap(), text);
            assert_eq!(serde_json::from_str::<ExpanderConfig>(text).unwrap(), expansion);
        }
        let read = |text| serde_json::from_str::<ExpanderConfig>(text).unwrap_err().to_string();
        for (text, words) in [
            (
                r#""lottery""#,
                "unknown variant `lottery`, expected one of `interpolation`, `stacking`",
            ),
            (r#"{"middle_stacking":{"blocks":2}}"#, "unknown field `blocks`"),
            (r#"{"middle_stacking":{"block":0}}"#, "expected a nonzero usize"),
        ] {
            assert!(read(text).contains(words), "{} should contain {words}", read(text));
        }
    }
}
