use std::collections::{BTreeMap, HashMap};

use burn::module::ParamId;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device, TensorData};
use burn_pack::{Reader, Scalar, Tensor, Writer};
use serde::{Deserialize, Serialize};

use super::{MomentOrders, OptimError};
use crate::stack::ParamOrigin;

/// What the optimizer state of copied layers becomes at a growth.
///
/// Layers that begin as the identity ([`NewLayers::zeroed`](crate::expand::NewLayers::zeroed)) are no copies in this
/// sense: they start without state under every policy, and what they were made from keeps its state unscaled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentPolicy {
    /// The whole optimizer starts afresh (StackBERT's default).
    Reset,
    /// First copies keep the state of their source, further copies start without (Apollo's code leaves
    /// it so by accident, MSG on purpose).
    FreshCopies,
    /// Every copy gets the state of its source, step count included (MIDAS, staged training).
    Copy,
    /// As [`Copy`](Self::Copy), but for a layer that becomes `k` layers, first moments are divided by
    /// `k` and second ones by `k²`: the gradient of a shared layer is the sum over its uses, so each
    /// copy sees about `1/k` of it. [`MomentOrders`] says what counts as a first or second moment. The
    /// default, by measurement: see `docs/choices.md`.
    #[default]
    Scaled,
}

/// What [`inherit`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReport {
    /// State tensors before the growth.
    pub tensors_before: usize,
    /// State tensors after it.
    pub tensors_after: usize,
    /// Parameters that got a copy of another parameter's state.
    pub params_inherited: usize,
}

/// The optimizer with its state carried over to grown parameters; `optim` itself is not changed.
///
/// `origins` says where each parameter of the grown layers comes from, `paths` the module path of every
/// parameter of the grown model (optimizers with parameter groups choose the group by it). State of
/// parameters that `origins` does not name is kept.
///
/// Parameter groups, of the optimizer and of a learning-rate scheduler, must tell parameters by parts of their
/// path that all layers share (`linear.weight`). A group by parameter ids does not know the copies, and one by
/// layer number means other layers after a growth: copies then train by the settings of another group.
///
/// With a GPU feature of Burn switched on, Burn loads optimizer state through `Device::default()` before
/// it moves to each parameter's device; set the environment variable `BURN_DEVICE` where that device
/// does not exist.
///
/// # Errors
///
/// [`OptimError`] when the record cannot be read, when [`MomentPolicy::Scaled`] meets a field that
/// `orders` does not know, when Burn would load state in another precision, or when the optimizer does not take
/// all of the state back.
pub fn inherit(
    optim: &ModuleOptimizer,
    origins: &[ParamOrigin],
    paths: &HashMap<ParamId, String>,
    policy: MomentPolicy,
    orders: &MomentOrders,
) -> Result<(ModuleOptimizer, StateReport), OptimError> {
    let record = optim.to_record();
    let tensors_before = record.len();
    if policy == MomentPolicy::Reset {
        let fresh = optim.clone().load_record(OptimizerRecord::default());
        return Ok((fresh, StateReport { tensors_before, ..Default::default() }));
    }
    let grown = Grown::new(origins, policy, orders);
    let (writer, tensors_after, params_inherited) = grown.rewrite(record, paths)?;
    let bytes = writer.into_bytes().map_err(|e| OptimError::writing(e.into()))?;
    let record = OptimizerRecord::from_bytes(bytes).map_err(OptimError::reading)?;
    let optim = optim.clone().load_record(record);
    let found = optim.to_record().len();
    if found != tensors_after {
        return Err(OptimError::Dropped { expected: tensors_after, found });
    }
    Ok((optim, StateReport { tensors_before, tensors_after, params_inherited }))
}

/// Refuses what Burn would load in another precision.
pub(crate) fn check_precision(what: &str, dtype: DType) -> Result<(), OptimError> {
    let loaded = DType::from(Device::default().settings().float_dtype);
    match dtype.is_float() && dtype != loaded {
        true => Err(OptimError::Precision {
            what: what.to_owned(),
            dtype: format!("{dtype:?}"),
            loaded: format!("{loaded:?}"),
        }),
        false => Ok(()),
    }
}

/// The growth as seen from the old parameters.
struct Grown<'a> {
    heirs: HashMap<u64, Vec<ParamOrigin>>,
    policy: MomentPolicy,
    orders: &'a MomentOrders,
}

impl<'a> Grown<'a> {
    fn new(origins: &[ParamOrigin], policy: MomentPolicy, orders: &'a MomentOrders) -> Self {
        let mut heirs: HashMap<u64, Vec<ParamOrigin>> = HashMap::new();
        for origin in origins {
            if let Some(parent) = origin.parent {
                heirs.entry(parent.val()).or_default().push(*origin);
            }
        }
        Self { heirs, policy, orders }
    }

    /// Ids that get state of the parameter `id`, with the number of copies its layer now has.
    fn heirs_of(&self, id: u64) -> Vec<(u64, usize)> {
        match self.heirs.get(&id) {
            None => vec![(id, 1)],
            Some(heirs) => heirs
                .iter()
                .filter(|o| self.policy != MomentPolicy::FreshCopies || o.parent == Some(o.id))
                .map(|o| (o.id.val(), o.copies))
                .collect(),
        }
    }

    fn rewrite(
        &self,
        record: OptimizerRecord,
        paths: &HashMap<ParamId, String>,
    ) -> Result<(Writer, usize, usize), OptimError> {
        let bytes = record.into_bytes().map_err(OptimError::writing)?;
        let reader = Reader::from_bytes(bytes).map_err(OptimError::reading)?;
        let scalars = self.scalars(reader.scalars());
        let metadata = self.metadata(reader.metadata(), paths);
        let tensors = self.tensors(reader.into_tensors().map_err(OptimError::reading)?)?;

        let count = tensors.len();
        let inherited = self.inherited(&scalars);
        let mut writer = Writer::new(tensors);
        for (name, value) in &scalars {
            writer = writer.with_scalar(name, *value);
        }
        for (name, path) in &metadata {
            writer = writer.with_metadata(name, path);
        }
        Ok((writer, count, inherited))
    }

    fn tensors(&self, old: Vec<Tensor>) -> Result<Vec<Tensor>, OptimError> {
        let mut new = Vec::with_capacity(old.len());
        for tensor in old {
            let (name, dtype, shape, id, bytes) =
                tensor.into_parts().map_err(OptimError::reading)?;
            let (Some(id), Some((_, field))) = (id, name.split_once('.')) else {
                return Err(OptimError::reading(format!("tensor `{name}` names no parameter")));
            };
            check_precision(&format!("optimizer state {field}"), dtype)?;
            let data = TensorData::from_bytes(bytes, shape, dtype);
            for (heir, copies) in self.heirs_of(id) {
                let (bytes, shape, dtype) = self.scaled(&data, field, copies)?.into_parts();
                new.push(Tensor::new(format!("{heir}.{field}"), dtype, shape, Some(heir), bytes));
            }
        }
        Ok(new)
    }

    fn scaled(
        &self,
        data: &TensorData,
        field: &str,
        copies: usize,
    ) -> Result<TensorData, OptimError> {
        if self.policy != MomentPolicy::Scaled || copies == 1 {
            return Ok(data.clone());
        }
        let order = self
            .orders
            .order(field)
            .ok_or_else(|| OptimError::UnknownField { field: field.to_owned() })?;
        let dtype = data.dtype();
        if !matches!(dtype, DType::F64 | DType::F32 | DType::Flex32 | DType::F16 | DType::BF16) {
            return Err(OptimError::NotFloat {
                field: field.to_owned(),
                dtype: format!("{dtype:?}"),
            });
        }
        let factor = (copies as f64).powi(order as i32).recip();
        let values: Vec<f64> = data.iter::<f64>().map(|x| x * factor).collect();
        Ok(TensorData::new(values, data.shape().clone()).convert_dtype(dtype))
    }

    /// Entries `"{id}.{field}"`, repeated for every heir of the id.
    fn scalars(&self, old: &BTreeMap<String, Scalar>) -> BTreeMap<String, Scalar> {
        let mut new = BTreeMap::new();
        for (name, value) in old {
            let entry =
                name.split_once('.').and_then(|(id, field)| Some((id.parse().ok()?, field)));
            let Some((id, field)) = entry else {
                new.insert(name.clone(), *value);
                continue;
            };
            for (heir, _) in self.heirs_of(id) {
                new.insert(format!("{heir}.{field}"), *value);
            }
        }
        new
    }

    /// Module path by id; ids that the grown model has take its path.
    fn metadata(
        &self,
        old: &BTreeMap<String, String>,
        paths: &HashMap<ParamId, String>,
    ) -> BTreeMap<String, String> {
        let mut new = BTreeMap::new();
        for (name, path) in old {
            let heirs = name.parse().map(|id| self.heirs_of(id)).unwrap_or_default();
            for (heir, _) in heirs {
                let path = paths.get(&ParamId::from(heir)).unwrap_or(path);
                new.insert(heir.to_string(), path.clone());
            }
        }
        new
    }

    fn inherited(&self, scalars: &BTreeMap<String, Scalar>) -> usize {
        let copies = self.heirs.values().flatten().filter(|o| o.parent != Some(o.id));
        copies.filter(|o| scalars.contains_key(&format!("{}.__rank", o.id.val()))).count()
    }
}
