use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ConstantHigh, ConstantLow, DepthPmf, DepthSampler, Lvps, Sigmoid, Uniform};
use crate::custom::{Custom, name_or};
use crate::plan_error::PlanError;

/// A [`DepthSampler`] as data: what a [`Plan`](crate::plan::Plan) holds.
///
/// In TOML or JSON a name, or a table for one with parameters:
///
/// ```toml
/// sampler = "uniform"
/// sampler = { lvps = { excess = 0.3 } }
/// sampler = { custom = { name = "ends" } }   # the program supplies it
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[non_exhaustive]
pub enum DepthSamplerConfig {
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
    /// A user's own: see [`DepthSamplerConfig::custom`].
    Custom(Custom<dyn DepthSampler>),
}

impl DepthSamplerConfig {
    /// The names of the samplers that this crate has.
    pub const NAMES: [&str; 5] = ["lvps", "uniform", "sigmoid", "constant_high", "constant_low"];

    /// A sampler of your own under a name of your own. Its parameters are what it serialises.
    ///
    /// ```
    /// use burn_apollo::depth::{DepthPmf, DepthSampler, DepthSamplerConfig};
    /// use burn_apollo::plan::PlanError;
    /// use serde::Serialize;
    ///
    /// #[derive(Debug, Serialize)]
    /// struct Middle {
    ///     share: f64,
    /// }
    ///
    /// impl DepthSampler for Middle {
    ///     fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
    ///         let mut weights = vec![1.0 - self.share; target - unique + 1];
    ///         weights[(target - unique) / 2] += self.share;
    ///         DepthPmf::from_weights(unique, weights)
    ///     }
    /// }
    ///
    /// let sampler = DepthSamplerConfig::custom("middle", Middle { share: 0.5 })?;
    /// let text = serde_json::to_string(&sampler)?;
    /// assert_eq!(text, r#"{"custom":{"name":"middle","parameters":{"share":0.5}}}"#);
    /// // Read back it is the same in a plan, but cannot draw.
    /// let read: DepthSamplerConfig = serde_json::from_str(&text)?;
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
    ) -> Result<Self, PlanError> {
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

    fn sampler(&self) -> Result<&dyn DepthSampler, PlanError> {
        Ok(match self {
            Self::Lvps(lvps) => lvps,
            Self::Uniform => &Uniform,
            Self::Sigmoid => &Sigmoid,
            Self::ConstantHigh => &ConstantHigh,
            Self::ConstantLow => &ConstantLow,
            Self::Custom(custom) => custom.supplied("sampler", "DepthSamplerConfig")?,
        })
    }
}

impl Default for DepthSamplerConfig {
    fn default() -> Self {
        Self::Lvps(Lvps::default())
    }
}

impl DepthSampler for DepthSamplerConfig {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
        let pmf = self.sampler()?.pmf(unique, target)?;
        let (low, high) = (pmf.lowest(), pmf.highest());
        if low < unique || high > target {
            let asked = format!("depths {unique}..={target}");
            return Err(PlanError::answer("sampler", format!("{low}..={high}"), asked));
        }
        Ok(pmf)
    }
}

impl FromStr for DepthSamplerConfig {
    type Err = PlanError;

    fn from_str(name: &str) -> Result<Self, PlanError> {
        let all =
            [Self::default(), Self::Uniform, Self::Sigmoid, Self::ConstantHigh, Self::ConstantLow];
        let found = all.into_iter().find(|sampler| sampler.name() == name);
        found.ok_or_else(|| PlanError::unknown("sampler", name, &Self::NAMES.join(", ")))
    }
}

macro_rules! from_unit {
    ($($sampler:ident),*) => {
        $(impl From<$sampler> for DepthSamplerConfig {
            fn from(_: $sampler) -> Self {
                Self::$sampler
            }
        })*
    };
}

from_unit!(Uniform, Sigmoid, ConstantHigh, ConstantLow);

impl From<Lvps> for DepthSamplerConfig {
    fn from(lvps: Lvps) -> Self {
        Self::Lvps(lvps)
    }
}

/// LVPS as it is published needs no table.
impl Serialize for DepthSamplerConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self == Self::default() {
            true => serializer.serialize_str(self.name()),
            false => Self::serialize(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for DepthSamplerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name_or(deserializer, Self::deserialize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written and read as ever.
    #[test]
    fn it_is_data() {
        let pairs = [
            (DepthSamplerConfig::default(), r#""lvps""#),
            (DepthSamplerConfig::Uniform, r#""uniform""#),
            (DepthSamplerConfig::Sigmoid, r#""sigmoid""#),
            (DepthSamplerConfig::ConstantHigh, r#""constant_high""#),
            (DepthSamplerConfig::ConstantLow, r#""constant_low""#),
            (
                Lvps { excess: 0.3, ..Lvps::default() }.into(),
                r#"{"lvps":{"excess":0.3,"end":0.6,"x_min":1e-6}}"#,
            ),
            (
                DepthSamplerConfig::custom("uniform", Uniform).unwrap(),
                r#"{"custom":{"name":"uniform"}}"#,
            ),
        ];
        for (sampler, text) in pairs {
            assert_eq!(serde_json::to_string(&sampler).unwrap(), text);
            assert_eq!(serde_json::from_str::<DepthSamplerConfig>(text).unwrap(), sampler);
        }
        let read =
            |text| serde_json::from_str::<DepthSamplerConfig>(text).map_err(|e| e.to_string());
        assert_eq!(read(r#"{"lvps":{}}"#), Ok(DepthSamplerConfig::default()));
        for (text, words) in [
            (r#""lottery""#, "`sampler`: \"lottery\" is unknown; there are lvps, uniform, sigmoid"),
            (r#""custom""#, "is unknown"),
            (r#"{"lvps":{"start":1.0}}"#, "unknown field `start`, expected one of `excess`"),
            (r#"{"lvps":{"end":"low"}}"#, "invalid type: string \"low\", expected f64"),
            (r#"{"custom":{"name":"a","other":1}}"#, "unknown field `other`"),
            ("3", "expected a name, or a table such as { custom"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{error} should contain {words}");
        }
    }
}
