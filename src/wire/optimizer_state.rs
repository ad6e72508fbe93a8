//! The state of an optimizer: its record, entry by entry.
//!
//! A record is a burnpack: tensors and scalars named `"{id}.{field}"`, one scalar `"{id}.__rank"` for each parameter that
//! has state, and the parameters' module paths as metadata under their ids.

use std::collections::BTreeMap;

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::TensorData;
use burn_pack::{Reader, Scalar, Tensor, Writer};

/// What Burn calls the scalar with a parameter's number of dimensions.
pub(super) const RANK: &str = "__rank";

/// All that an optimizer keeps.
#[derive(Default)]
pub(crate) struct OptimizerState {
    pub(crate) tensors: Vec<StateTensor>,
    /// By id and field.
    pub(crate) scalars: BTreeMap<(u64, String), Scalar>,
    /// Module path by id.
    pub(crate) paths: BTreeMap<u64, String>,
    /// Scalars of no parameter.
    others: BTreeMap<String, Scalar>,
}

/// A tensor of a parameter's state.
pub(crate) struct StateTensor {
    pub(crate) id: u64,
    /// The path of the field within the state.
    pub(crate) field: String,
    pub(crate) data: TensorData,
}

impl OptimizerState {
    /// # Errors
    ///
    /// What is wrong with the record.
    pub(crate) fn of(optim: &ModuleOptimizer) -> Result<Self, String> {
        let bytes = optim.to_record().into_bytes().map_err(|e| e.to_string())?;
        let reader = Reader::from_bytes(bytes).map_err(|e| e.to_string())?;
        let mut state = Self::default();
        for (name, value) in reader.scalars() {
            let parts = name.split_once('.');
            match parts.and_then(|(id, field)| Some((id.parse().ok()?, field))) {
                Some((id, field)) => drop(state.scalars.insert((id, field.to_owned()), *value)),
                None => drop(state.others.insert(name.clone(), *value)),
            }
        }
        for (id, path) in reader.metadata() {
            if let Ok(id) = id.parse() {
                state.paths.insert(id, path.clone());
            }
        }
        for tensor in reader.into_tensors().map_err(|e| e.to_string())? {
            let (name, dtype, shape, id, bytes) = tensor.into_parts().map_err(|e| e.to_string())?;
            let (Some(id), Some((_, field))) = (id, name.split_once('.')) else {
                return Err(format!("tensor `{name}` names no parameter"));
            };
            let data = TensorData::from_bytes(bytes, shape, dtype);
            state.tensors.push(StateTensor { id, field: field.to_owned(), data });
        }
        Ok(state)
    }

    /// # Errors
    ///
    /// What Burn says of the record.
    pub(crate) fn into_record(self) -> Result<OptimizerRecord, String> {
        let tensors = self.tensors.into_iter().map(|StateTensor { id, field, data }| {
            let (bytes, shape, dtype) = data.into_parts();
            Tensor::new(format!("{id}.{field}"), dtype, shape, Some(id), bytes)
        });
        let mut writer = Writer::new(tensors.collect());
        for ((id, field), value) in self.scalars {
            writer = writer.with_scalar(&format!("{id}.{field}"), value);
        }
        for (name, value) in self.others {
            writer = writer.with_scalar(&name, value);
        }
        for (id, path) in self.paths {
            writer = writer.with_metadata(&id.to_string(), &path);
        }
        let bytes = writer.into_bytes().map_err(|e| e.to_string())?;
        OptimizerRecord::from_bytes(bytes).map_err(|e| e.to_string())
    }

    /// The state of no parameter, taken out: the beginning of another state.
    pub(crate) fn take_others(&mut self) -> Self {
        Self { others: core::mem::take(&mut self.others), ..Self::default() }
    }

    /// Whether the parameter has state.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.scalars.contains_key(&(id, RANK.to_owned()))
    }
}
