use std::collections::HashMap;

use burn::module::ParamId;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device, TensorData};
use serde::{Deserialize, Serialize};

use super::{MomentOrders, MomentPolicy};
use crate::stack::ParamOrigin;
use crate::wire::{OptimizerState, StateTensor};

/// What a growth did to the optimizer's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
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
/// # Errors
///
/// When the record cannot be read, when [`MomentPolicy::Scaled`] meets a field that
/// `orders` does not know, when Burn would load state in another precision, or when the optimizer does not take
/// all of the state back.
pub(crate) fn inherit(
    optim: &ModuleOptimizer,
    origins: &[ParamOrigin],
    paths: &HashMap<ParamId, String>,
    policy: MomentPolicy,
    orders: &MomentOrders,
) -> Result<(ModuleOptimizer, StateReport), String> {
    if policy == MomentPolicy::Reset {
        let tensors_before = optim.to_record().len();
        let fresh = optim.clone().load_record(OptimizerRecord::default());
        return Ok((fresh, StateReport { tensors_before, ..Default::default() }));
    }
    let of_record = |action: &str, message: String| {
        format!("the optimizer's record cannot be {action}: {message}")
    };
    let before = OptimizerState::of(optim).map_err(|e| of_record("read", e))?;
    let tensors_before = before.tensors.len();
    let after = Grown::new(origins, policy, orders).inherited(before, paths)?;
    let tensors_after = after.tensors.len();
    let copies = origins.iter().filter(|o| o.parent.is_some_and(|parent| parent != o.id));
    let params_inherited = copies.filter(|o| after.has(o.id.val())).count();
    let record = after.into_record().map_err(|e| of_record("written", e))?;
    let optim = optim.clone().load_record(record);
    let found = optim.to_record().len();
    if found != tensors_after {
        return Err(format!(
            "the optimizer took {found} of {tensors_after} state tensors; no parameter group of it may name layers by \
             number or parameters by id, since growth renumbers the ones and adds to the others"
        ));
    }
    Ok((optim, StateReport { tensors_before, tensors_after, params_inherited }))
}

/// Refuses what Burn would load in another precision, and fail at the next step: it loads all state in the default precision
/// of its default device.
pub(crate) fn check_precision(what: &str, dtype: DType) -> Result<(), String> {
    let loaded = DType::from(Device::default().settings().float_dtype);
    match dtype.is_float() && dtype != loaded {
        true => Err(format!(
            "`{what}` is {dtype:?}, but Burn loads optimizer state as {loaded:?}: give the default device that precision \
             (`Device::default().configure(…)`, before any tensor is made), or choose `MomentPolicy::Reset`, which loads \
             none"
        )),
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

    fn inherited(
        &self,
        mut before: OptimizerState,
        paths: &HashMap<ParamId, String>,
    ) -> Result<OptimizerState, String> {
        let mut after = before.take_others();
        for StateTensor { id, field, data } in before.tensors {
            check_precision(&format!("optimizer state {field}"), data.dtype())?;
            for (id, copies) in self.heirs_of(id) {
                let data = self.scaled(&data, &field, copies)?;
                after.tensors.push(StateTensor { id, field: field.clone(), data });
            }
        }
        for ((id, field), value) in before.scalars {
            for (heir, _) in self.heirs_of(id) {
                after.scalars.insert((heir, field.clone()), value);
            }
        }
        for (id, path) in before.paths {
            for (heir, _) in self.heirs_of(id) {
                let path = paths.get(&ParamId::from(heir)).unwrap_or(&path);
                after.paths.insert(heir, path.clone());
            }
        }
        Ok(after)
    }

    fn scaled(&self, data: &TensorData, field: &str, copies: usize) -> Result<TensorData, String> {
        if self.policy != MomentPolicy::Scaled || copies == 1 {
            return Ok(data.clone());
        }
        let cannot = |why: &str| format!("cannot scale optimizer state `{field}`{why}");
        let order = self.orders.order(field).ok_or_else(|| {
            cannot(
                ": name the power of the gradient it holds with `MomentOrders::with_field`, or choose another moment \
                 policy",
            )
        })?;
        let dtype = data.dtype();
        if !dtype.is_float() {
            return Err(cannot(&format!(" of type {dtype:?}")));
        }
        let factor = (copies as f64).powi(order as i32).recip();
        let values: Vec<f64> = data.iter::<f64>().map(|x| x * factor).collect();
        Ok(TensorData::new(values, data.shape().clone()).convert_dtype(dtype))
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::AdamWConfig;
    use burn_pack::{Reader, Scalar, Writer};

    use super::*;

    /// An AdamW with the state of one parameter, whose id is 7.
    fn adamw(moment_1: TensorData, moment_2: TensorData) -> ModuleOptimizer {
        let tensor = |name: &str, data: TensorData| {
            let (bytes, shape, dtype) = data.into_parts();
            burn_pack::Tensor::new(name.to_owned(), dtype, shape, Some(7), bytes)
        };
        let tensors =
            vec![tensor("7.momentum.moment_1", moment_1), tensor("7.momentum.moment_2", moment_2)];
        let store = Writer::new(tensors)
            .with_scalar("7.__rank", Scalar::UInt(1))
            .with_scalar("7.momentum.time", Scalar::UInt(3));
        let record = OptimizerRecord::from_bytes(store.into_bytes().unwrap()).unwrap();
        let optim: ModuleOptimizer = AdamWConfig::new().init();
        optim.load_record(record)
    }

    /// A parameter that comes from the one of id 7, whose layer became two.
    fn heir(id: u64) -> ParamOrigin {
        ParamOrigin { id: id.into(), parent: Some(ParamId::from(7)), copies: 2, zeroed: false }
    }

    fn inherited(
        optim: &ModuleOptimizer,
        heirs: &[ParamOrigin],
        orders: &MomentOrders,
    ) -> Result<(ModuleOptimizer, StateReport), String> {
        inherit(optim, heirs, &HashMap::new(), MomentPolicy::Scaled, orders)
    }

    fn tensors(optim: &ModuleOptimizer) -> HashMap<String, (DType, Vec<f32>)> {
        let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
        let tensors = reader.into_tensors().unwrap().into_iter().map(|tensor| {
            let (name, dtype, shape, _, bytes) = tensor.into_parts().unwrap();
            let values = TensorData::from_bytes(bytes, shape, dtype).iter::<f32>().collect();
            (name, (dtype, values))
        });
        tensors.collect()
    }

    #[test]
    fn state_is_scaled_by_its_order_or_not_at_all() {
        let data = |values: [f32; 2]| TensorData::from(values);
        let optim = adamw(data([0.5, -2.0]), data([0.25, 4.0]));
        let known = MomentOrders::default();
        let (optim, report) = inherited(&optim, &[heir(7), heir(8)], &known).unwrap();
        let found = (report.tensors_before, report.tensors_after, report.params_inherited);
        assert_eq!(found, (2, 4, 1));
        let tensors = tensors(&optim);
        assert_eq!(tensors.len(), 4);
        for id in [7, 8] {
            let state = |field: &str| &tensors[&format!("{id}.momentum.{field}")].1;
            assert_eq!(state("moment_1"), &[0.25, -1.0], "{id}");
            assert_eq!(state("moment_2"), &[0.0625, 1.0], "{id}");
        }
        let one_known = MomentOrders::none().with_field("momentum.moment_1", 1);
        let unknown = inherited(&optim, &[heir(7)], &one_known).map(|_| ()).unwrap_err();
        assert!(unknown.to_string().contains("state `momentum.moment_2`: name"), "{unknown}");
    }

    /// State is scaled in its own type.
    #[test]
    fn state_in_half_precision_stays_there() {
        let half = TensorData::from([0.5_f32]).convert_dtype(DType::F16);
        let orders = MomentOrders::default();
        let grown = Grown::new(&[heir(7), heir(8)], MomentPolicy::Scaled, &orders);
        for (field, expected) in [("momentum.moment_1", 0.25), ("momentum.moment_2", 0.125)] {
            let scaled = grown.scaled(&half, field, 2).unwrap();
            assert_eq!(scaled.dtype(), DType::F16);
            assert_eq!(scaled.iter::<f32>().collect::<Vec<_>>(), [expected], "{field}");
        }
        let whole = TensorData::from([1_i32]);
        let error = grown.scaled(&whole, "momentum.moment_1", 2).unwrap_err();
        assert!(error.to_string().contains("`momentum.moment_1` of type I32"), "{error}");
    }

    /// Burn would load state of another precision than the default device's as that.
    #[test]
    fn state_of_another_precision_than_the_devices_is_refused() {
        let brain = TensorData::from([0.5_f32]).convert_dtype(DType::BF16);
        let mut before = OptimizerState::of(&AdamWConfig::new().init()).unwrap();
        let (id, field) = (7, "momentum.moment_1".to_owned());
        before.tensors.push(StateTensor { id, field, data: brain });
        let orders = MomentOrders::default();
        let grown = Grown::new(&[heir(7)], MomentPolicy::Copy, &orders);
        let error = grown.inherited(before, &HashMap::new()).map(|_| ()).unwrap_err();
        let text = "`optimizer state momentum.moment_1` is BF16, but";
        assert!(error.to_string().starts_with(text), "{error}");
    }
}
