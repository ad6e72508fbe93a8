//! `config.json`: reading it, and the checks that both kinds of model share.

use std::fmt::{Debug, Display};
use std::fs;
use std::path::{Path, PathBuf};

use burn_apollo_lab::folder::{CONFIG, to_json, write_file};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Failure, regular, run_error, usage};

/// Bytes beyond which a file is no configuration.
const LONGEST: u64 = 1 << 20;

/// Sizes beyond which products of two of them may not fit a machine word.
const LARGEST: usize = i32::MAX as usize;

/// The fields of a `config.json`, whether known here or not.
pub type ConfigFields = Map<String, Value>;

/// A `config.json` as it was read.
pub struct ConfigFile<C> {
    path: PathBuf,
    pub fields: C,
}

impl<C: DeserializeOwned> ConfigFile<C> {
    /// The configuration of a model of `kind` that was found in `dir`.
    pub fn of(found: &ConfigFields, dir: &Path, kind: &str) -> Result<Self, Failure> {
        let path = dir.join(CONFIG);
        let failed = |e: &dyn Display| usage(format!("{}: {e}", path.display()));
        match found.get("model_type") {
            Some(Value::String(found)) if found == kind => {}
            Some(other) => {
                return Err(failed(&format!("model_type is {other}, expected {kind:?}")));
            }
            None => return Err(failed(&"model_type is missing")),
        }
        let fields = serde_json::from_value(found.clone().into()).map_err(|e| failed(&e))?;
        Ok(Self { path, fields })
    }
}

/// All that the `config.json` in a model's folder says.
pub fn read_fields(dir: &Path) -> Result<ConfigFields, Failure> {
    let path = dir.join(CONFIG);
    let failed = |e: &dyn Display| usage(format!("{}: {e}", path.display()));
    let size = regular(&path).map_err(|e| failed(&e))?;
    if size > LONGEST {
        return Err(failed(&format!("{size} bytes are no configuration")));
    }
    let text = fs::read_to_string(&path).map_err(|e| failed(&e))?;
    serde_json::from_str(&text).map_err(|e| failed(&e))
}

/// Gives the `config.json` of an export the fields with which its model was imported, but those that tell what the export
/// is: it may have other tokens, and its numbers have 32 bits.
pub fn restore_fields(dir: &Path, imported: &ConfigFields) -> Result<(), Failure> {
    let mut fields = read_fields(dir)?;
    for (field, value) in imported {
        match field.as_str() {
            "architectures" | "model_type" | "vocab_size" => {}
            "dtype" | "torch_dtype" if value.is_string() => {
                fields.insert(field.clone(), "float32".into());
            }
            _ => drop(fields.insert(field.clone(), value.clone())),
        }
    }
    write(dir, &fields)
}

impl<C> ConfigFile<C> {
    pub fn failure(&self, message: impl Display) -> Failure {
        usage(format!("{}: {message}", self.path.display()))
    }

    /// Refuses a field whose value the model here does not compute.
    pub fn only<T: PartialEq + Debug>(
        &self,
        field: &str,
        found: T,
        supported: T,
    ) -> Result<(), Failure> {
        match found == supported {
            true => Ok(()),
            false => {
                Err(self.failure(format!("{field} is {found:?}, only {supported:?} is supported")))
            }
        }
    }

    /// Refuses a size of nothing or one that is absurd.
    pub fn sizes(&self, sizes: &[(&str, usize)]) -> Result<(), Failure> {
        match sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
            None => Ok(()),
            Some((field, size)) => {
                Err(self
                    .failure(format!("{field} is {size}, expected a number from 1 to {LARGEST}")))
            }
        }
    }

    /// Refuses a width that the heads cannot share.
    pub fn heads(&self, width: (&str, usize), heads: (&str, usize)) -> Result<(), Failure> {
        match width.1.is_multiple_of(heads.1) {
            true => Ok(()),
            false => Err(self.failure(format!(
                "{} is {}, which {} of {} does not divide",
                width.0, width.1, heads.0, heads.1
            ))),
        }
    }

    /// The one probability that all of these are; the models here have no more.
    pub fn dropout(&self, fields: &[(&str, f64)]) -> Result<f64, Failure> {
        let first = fields[0];
        for (field, found) in fields {
            if !(0.0..1.0).contains(found) {
                return Err(
                    self.failure(format!("{field} is {found}, expected a number in [0, 1)"))
                );
            }
            if *found != first.1 {
                return Err(self.failure(format!(
                    "{field} is {found} but {} is {}, only one dropout is supported",
                    first.0, first.1
                )));
            }
        }
        Ok(first.1)
    }

    /// The standard deviation of new weights.
    pub fn std(&self, found: f64) -> Result<f64, Failure> {
        match found.is_finite() && found >= 0.0 {
            true => Ok(found),
            false => {
                Err(self
                    .failure(format!("initializer_range is {found}, expected a number from 0 on")))
            }
        }
    }
}

/// Writes a configuration as a whole or not at all.
pub fn write(dir: &Path, fields: &impl Serialize) -> Result<(), Failure> {
    write_file(&dir.join(CONFIG), to_json(fields)).map_err(run_error)
}
