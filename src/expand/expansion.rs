use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ExpandError, Expander, Interpolation, LayerMap, MiddleStacking, Stacking};
use crate::custom::{Custom, ParametersError, name_or_table};

/// An [`Expander`] as data: what a [`Plan`](crate::plan::Plan) holds.
///
/// In TOML or JSON a name, or a table for one with parameters:
///
/// ```toml
/// expander = "stacking"
/// expander = { middle_stacking = { block = 2 } }
/// expander = { custom = { name = "top" } }   # the program supplies it
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub enum Expansion {
    /// `interpolation`, the default.
    #[default]
    Interpolation,
    /// `stacking`
    Stacking,
    /// `middle_stacking`
    MiddleStacking(MiddleStacking),
    /// A user's own: see [`Expansion::custom`].
    Custom(Custom<dyn Expander>),
}

impl Expansion {
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
    ) -> Result<Self, ParametersError> {
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

    fn expander(&self) -> Result<&dyn Expander, ExpandError> {
        Ok(match self {
            Self::Interpolation => &Interpolation,
            Self::Stacking => &Stacking,
            Self::MiddleStacking(middle) => middle,
            Self::Custom(custom) => custom
                .implementation()
                .ok_or_else(|| ExpandError::NotSupplied { name: custom.name().to_owned() })?,
        })
    }
}

/// Holds the expander to its contract.
impl Expander for Expansion {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, ExpandError> {
        if source == target {
            return Ok(LayerMap::identity(source));
        }
        let map = self.expander()?.map(source, target)?;
        if map.source() != source || map.target() != target {
            return Err(ExpandError::Contract {
                source_layers: source,
                target,
                found_source: map.source(),
                found_target: map.target(),
            });
        }
        Ok(map)
    }
}

impl FromStr for Expansion {
    type Err = ExpandError;

    fn from_str(name: &str) -> Result<Self, ExpandError> {
        match name {
            "interpolation" => Ok(Self::Interpolation),
            "stacking" => Ok(Self::Stacking),
            _ => Err(ExpandError::UnknownExpander { name: name.to_owned() }),
        }
    }
}

impl From<Interpolation> for Expansion {
    fn from(_: Interpolation) -> Self {
        Self::Interpolation
    }
}

impl From<Stacking> for Expansion {
    fn from(_: Stacking) -> Self {
        Self::Stacking
    }
}

impl From<MiddleStacking> for Expansion {
    fn from(middle: MiddleStacking) -> Self {
        Self::MiddleStacking(middle)
    }
}

/// The expanders with parameters.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    MiddleStacking(MiddleStacking),
    Custom(Custom<dyn Expander>),
}

impl From<Table> for Expansion {
    fn from(table: Table) -> Self {
        match table {
            Table::MiddleStacking(middle) => Self::MiddleStacking(middle),
            Table::Custom(custom) => Self::Custom(custom),
        }
    }
}

impl Serialize for Expansion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::MiddleStacking(middle) => Table::MiddleStacking(*middle).serialize(serializer),
            Self::Custom(custom) => Table::Custom(custom.clone()).serialize(serializer),
            expander => serializer.serialize_str(expander.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Expansion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name_or_table::<D, Self, Table>(
            deserializer,
            "the name of an expander, or a table such as { middle_stacking = { block = 2 } }",
        )
    }
}
