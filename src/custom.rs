//! Parts of a plan that are a user's own: known by a name and parameters, supplied by a program.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::plan_error::{PlanError, PlanErrorKind};

/// A sampler, expander or policy of a user's own, as a [`Plan`](super::Plan) holds it: a name, parameters, and the
/// implementation, which only the program itself can supply.
///
/// Two of them are equal when name and parameters are. One that was read from a file has no implementation: a run by
/// such a plan is refused until the program supplies it, for one by
/// [`Plan::with_sampler`](super::Plan::with_sampler).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Custom<T: ?Sized> {
    name: String,
    #[serde(default = "none", skip_serializing_if = "is_none")]
    parameters: Value,
    #[serde(skip)]
    implementation: Option<Arc<T>>,
}

/// No parameters: an empty table, since TOML has no word for nothing.
fn none() -> Value {
    Value::Object(serde_json::Map::new())
}

fn is_none(parameters: &Value) -> bool {
    parameters.as_object().is_some_and(serde_json::Map::is_empty)
}

impl<T: ?Sized> Custom<T> {
    pub(crate) fn new(
        name: &str,
        parameters: &impl Serialize,
        implementation: Arc<T>,
    ) -> Result<Self, PlanError> {
        let parameters = match serde_json::to_value(parameters) {
            Ok(Value::Null) => none(),
            Ok(parameters) => parameters,
            Err(e) => {
                let field = format!("{name}.parameters");
                return Err(PlanError::new(field, e, "what JSON can hold"));
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

    /// The implementation for a field of the plan, which holds parts of this type.
    pub(crate) fn supplied(&self, field: &str, kind: &str) -> Result<&T, PlanError> {
        self.implementation.as_deref().ok_or_else(|| PlanError {
            kind: PlanErrorKind::NotSupplied,
            field: field.to_owned(),
            found: self.name.clone(),
            expected: format!("plan.with_{field}({kind}::custom({:?}, …)?)", self.name),
        })
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

/// Reads a part of a plan from its name alone, or from a table.
pub(crate) fn named<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = PlanError> + DeserializeOwned,
{
    name_or(deserializer, serde_json::from_value)
}

/// The same, where `table` reads the table.
pub(crate) fn name_or<'de, D, T>(
    deserializer: D,
    table: impl FnOnce(Value) -> serde_json::Result<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = PlanError>,
{
    match Value::deserialize(deserializer)? {
        Value::String(name) => name.parse().map_err(D::Error::custom),
        value @ Value::Object(_) => table(value).map_err(D::Error::custom),
        other => Err(D::Error::custom(format!(
            "expected a name, or a table such as {{ custom = {{ name = \"mine\" }} }}, found {other}"
        ))),
    }
}
