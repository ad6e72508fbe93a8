use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    ConstantHigh, ConstantLow, DepthError, DepthPmf, DepthSampler, Lvps, Sigmoid, Uniform,
};
use crate::custom::{Custom, ParametersError, name_or_table};

/// A [`DepthSampler`] as data: what a [`Plan`](crate::plan::Plan) holds.
///
/// In TOML or JSON a name, or a table for one with parameters:
///
/// ```toml
/// sampler = "uniform"
/// sampler = { lvps = { excess = 0.3 } }
/// sampler = { custom = { name = "ends" } }   # the program supplies it
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Sampler {
    /// `lvps`, the default.
    Lvps(Lvps),
    /// `uniform`
    Uniform,
    /// `sigmoid`
    Sigmoid,
    /// `constant_high`
    ConstantHigh,
    /// `constant_low`
    ConstantLow,
    /// A user's own: see [`Sampler::custom`].
    Custom(Custom<dyn DepthSampler>),
}

impl Sampler {
    /// The names of the samplers that this crate has.
    pub const NAMES: [&str; 5] = ["lvps", "uniform", "sigmoid", "constant_high", "constant_low"];

    /// A sampler of your own under a name of your own. Its parameters are what it serialises.
    ///
    /// ```
    /// use burn_apollo::depth::{DepthError, DepthPmf, DepthSampler, Sampler};
    /// use serde::Serialize;
    ///
    /// #[derive(Debug, Serialize)]
    /// struct Middle {
    ///     share: f64,
    /// }
    ///
    /// impl DepthSampler for Middle {
    ///     fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, DepthError> {
    ///         let mut weights = vec![1.0 - self.share; target - unique + 1];
    ///         weights[(target - unique) / 2] += self.share;
    ///         DepthPmf::from_weights(unique, weights)
    ///     }
    /// }
    ///
    /// let sampler = Sampler::custom("middle", Middle { share: 0.5 })?;
    /// let text = serde_json::to_string(&sampler)?;
    /// assert_eq!(text, r#"{"custom":{"name":"middle","parameters":{"share":0.5}}}"#);
    /// // Read back it is the same in a plan, but cannot draw.
    /// let read: Sampler = serde_json::from_str(&text)?;
    /// assert_eq!(read, sampler);
    /// assert!(read.pmf(1, 4).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the parameters cannot be serialised as JSON.
    pub fn custom(
        name: &str,
        sampler: impl DepthSampler + Serialize + 'static,
    ) -> Result<Self, ParametersError> {
        let sampler = Arc::new(sampler);
        Custom::new(name, sampler.as_ref(), sampler.clone() as _).map(Self::Custom)
    }

    /// The sampler's name in a plan.
    pub fn name(&self) -> &str {
        match self {
            Self::Lvps(_) => "lvps",
            Self::Uniform => "uniform",
            Self::Sigmoid => "sigmoid",
            Self::ConstantHigh => "constant_high",
            Self::ConstantLow => "constant_low",
            Self::Custom(custom) => custom.name(),
        }
    }

    fn sampler(&self) -> Result<&dyn DepthSampler, DepthError> {
        Ok(match self {
            Self::Lvps(lvps) => lvps,
            Self::Uniform => &Uniform,
            Self::Sigmoid => &Sigmoid,
            Self::ConstantHigh => &ConstantHigh,
            Self::ConstantLow => &ConstantLow,
            Self::Custom(custom) => custom
                .implementation()
                .ok_or_else(|| DepthError::NotSupplied { name: custom.name().to_owned() })?,
        })
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::Lvps(Lvps::default())
    }
}

impl DepthSampler for Sampler {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, DepthError> {
        let pmf = self.sampler()?.pmf(unique, target)?;
        match pmf.lowest() >= unique && pmf.highest() <= target {
            true => Ok(pmf),
            false => Err(DepthError::Support {
                unique,
                target,
                found_low: pmf.lowest(),
                found_high: pmf.highest(),
            }),
        }
    }
}

impl FromStr for Sampler {
    type Err = DepthError;

    fn from_str(name: &str) -> Result<Self, DepthError> {
        Ok(match name {
            "lvps" => Self::default(),
            "uniform" => Self::Uniform,
            "sigmoid" => Self::Sigmoid,
            "constant_high" => Self::ConstantHigh,
            "constant_low" => Self::ConstantLow,
            _ => return Err(DepthError::UnknownSampler { name: name.to_owned() }),
        })
    }
}

macro_rules! from_unit {
    ($($sampler:ident),*) => {
        $(impl From<$sampler> for Sampler {
            fn from(_: $sampler) -> Self {
                Self::$sampler
            }
        })*
    };
}

from_unit!(Uniform, Sigmoid, ConstantHigh, ConstantLow);

impl From<Lvps> for Sampler {
    fn from(lvps: Lvps) -> Self {
        Self::Lvps(lvps)
    }
}

/// The samplers with parameters.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    Lvps(Lvps),
    Custom(Custom<dyn DepthSampler>),
}

impl From<Table> for Sampler {
    fn from(table: Table) -> Self {
        match table {
            Table::Lvps(lvps) => Self::Lvps(lvps),
            Table::Custom(custom) => Self::Custom(custom),
        }
    }
}

impl Serialize for Sampler {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Lvps(lvps) if *lvps != Lvps::default() => {
                Table::Lvps(*lvps).serialize(serializer)
            }
            Self::Custom(custom) => Table::Custom(custom.clone()).serialize(serializer),
            sampler => serializer.serialize_str(sampler.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Sampler {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name_or_table::<D, Self, Table>(
            deserializer,
            "the name of a sampler, or a table such as { lvps = { excess = 0.3 } }",
        )
    }
}
