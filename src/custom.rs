//! Parts of a plan that are a user's own: known by a name and parameters, supplied by a program.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A sampler, expander or policy of a user's own, as a [`Plan`](super::Plan) holds it: a name, parameters, and the
/// implementation, which only the program itself can supply.
///
/// Two of them are equal when name and parameters are. One that was read from a file has no implementation: a run by
/// such a plan is refused until the program supplies it, for one by
/// [`Plan::with_sampler`](super::Plan::with_sampler).
pub struct Custom<T: ?Sized> {
    name: String,
    parameters: Value,
    implementation: Option<Arc<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    #[serde(default = "none", skip_serializing_if = "is_none")]
    parameters: Value,
}

/// No parameters: an empty table, since TOML has no word for nothing.
fn none() -> Value {
    Value::Object(serde_json::Map::new())
}

fn is_none(parameters: &Value) -> bool {
    parameters.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The parameters of a part of a plan cannot be put into data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameters of `{name}` cannot be serialised: {message}")]
#[non_exhaustive]
pub struct ParametersError {
    /// The part's name.
    pub name: String,
    /// What its `Serialize` says.
    pub message: String,
}

impl<T: ?Sized> Custom<T> {
    pub(crate) fn new(
        name: &str,
        parameters: &impl Serialize,
        implementation: Arc<T>,
    ) -> Result<Self, ParametersError> {
        let parameters = match serde_json::to_value(parameters) {
            Ok(Value::Null) => none(),
            Ok(parameters) => parameters,
            Err(e) => {
                return Err(ParametersError { name: name.to_owned(), message: e.to_string() });
            }
        };
        Ok(Self { name: name.to_owned(), parameters, implementation: Some(implementation) })
    }

    /// The name that the plan knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the program has supplied the implementation.
    pub fn is_supplied(&self) -> bool {
        self.implementation.is_some()
    }

    pub(crate) fn implementation(&self) -> Option<&T> {
        self.implementation.as_deref()
    }
}

impl<T: ?Sized> Clone for Custom<T> {
    fn clone(&self) -> Self {
        let Self { name, parameters, implementation } = self;
        let (name, parameters) = (name.clone(), parameters.clone());
        Self { name, parameters, implementation: implementation.clone() }
    }
}

impl<T: ?Sized> PartialEq for Custom<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.parameters) == (&other.name, &other.parameters)
    }
}

impl<T: ?Sized> fmt::Debug for Custom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.parameters)
    }
}

impl<T: ?Sized> Serialize for Custom<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Raw { name: self.name.clone(), parameters: self.parameters.clone() }.serialize(serializer)
    }
}

impl<'de, T: ?Sized> Deserialize<'de> for Custom<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw { name, parameters } = Raw::deserialize(deserializer)?;
        Ok(Self { name, parameters, implementation: None })
    }
}

/// Reads a part of a plan from its name alone, or from a table of one entry with the name as key.
pub(crate) fn name_or_table<'de, D, T, Table>(
    deserializer: D,
    expecting: &'static str,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display> + From<Table>,
    Table: Deserialize<'de>,
{
    deserializer.deserialize_any(NameOrTable { expecting, kinds: PhantomData })
}

struct NameOrTable<T, Table> {
    expecting: &'static str,
    kinds: PhantomData<fn() -> (T, Table)>,
}

impl<'de, T, Table> Visitor<'de> for NameOrTable<T, Table>
where
    T: FromStr<Err: fmt::Display> + From<Table>,
    Table: Deserialize<'de>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        name.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(T::from)
    }
}
