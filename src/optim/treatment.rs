//! How an optimizer treats a parameter. Burn shows neither an optimizer's parameter groups nor what is behind them, so
//! it is tried out on a few numbers, without any state of the run.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::wire::OptimizerState;

/// What an optimizer does with a parameter of a path and an id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Treatment {
    /// The fields of the state that it keeps.
    pub(crate) fields: Vec<String>,
    /// What [`GRADIENTS`] add to [`WEIGHTS`], one step after the other.
    pub(crate) moves: Vec<f64>,
}

/// The weights before the first step.
pub(crate) const WEIGHTS: [f64; 4] = [1.0, -0.5, 0.25, 2.0];
/// No gradient first: what moves then is the decay of weights. Then one that any clipping makes smaller, and one that
/// few do.
const GRADIENTS: [[f64; 4]; 3] = [[0.0; 4], [3.0, -100.0, 0.01, 1e-4], [-0.2, 0.1, 0.3, 0.05]];
/// The rate of each step. The first makes a decay of usual strength visible.
pub(crate) const RATES: [f64; 3] = [10.0, 1.0, 1.0];

/// An optimizer of the same groups without state, to be tried out.
pub(crate) fn without_state(optim: &ModuleOptimizer) -> ModuleOptimizer {
    optim.clone().load_record(OptimizerRecord::default())
}

/// Tries out `optim`, which has no state, on a parameter of `D` dimensions.
///
/// # Errors
///
/// What the optimizer's record says when it cannot be read.
pub(crate) fn treatment<const D: usize>(
    optim: &ModuleOptimizer,
    path: &str,
    id: ParamId,
    device: &Device,
) -> Result<Treatment, String> {
    if D == 0 {
        return Err("a number without dimensions is not tried".to_owned());
    }
    let mut optim = optim.clone();
    let device = device.clone().autodiff();
    let weights = tensor::<D>(&WEIGHTS, &device).require_grad();
    let mut module = One { path: path.to_owned(), param: Param::initialized(id, weights) };
    let (mut moves, mut before) = (Vec::new(), WEIGHTS.to_vec());
    for (gradient, rate) in GRADIENTS.iter().zip(RATES) {
        let mut grads = GradientsParams::new();
        grads.register(id, tensor::<D>(gradient, &device).inner());
        module = optim.step(rate, module, grads);
        let data = module.param.val().inner().into_data();
        let after: Vec<f64> = data.iter::<f64>().collect();
        moves.extend(after.iter().zip(&before).map(|(after, before)| after - before));
        before = after;
    }
    Ok(Treatment { fields: OptimizerState::of(&optim)?.fields(), moves })
}

/// Four numbers in at most two of `D` dimensions.
fn tensor<const D: usize>(values: &[f64; 4], device: &Device) -> Tensor<D> {
    let mut shape = [1; D];
    match D {
        1 => shape[0] = 4,
        _ => shape[..2].fill(2),
    }
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (device, DType::F32))
}

/// A parameter under a path.
#[derive(Debug, Clone)]
struct One<const D: usize> {
    path: String,
    param: Param<Tensor<D>>,
}

impl<const D: usize> Module for One<D> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.param.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self { param: self.param.fork(device), ..self }
    }

    fn to_device(self, device: &Device) -> Self {
        Self { param: self.param.to_device(device), ..self }
    }

    fn train(self) -> Self {
        Self { param: Module::train(self.param), ..self }
    }

    fn valid(&self) -> Self {
        Self { path: self.path.clone(), param: self.param.valid() }
    }

    fn materialize(self) -> Self {
        Self { param: self.param.materialize(), ..self }
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.enter_module(&self.path, "");
        self.param.visit(visitor);
        visitor.exit_module(&self.path, "");
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        mapper.enter_module(&self.path, "");
        let param = Module::map(self.param, mapper);
        mapper.exit_module(&self.path, "");
        Self { param, ..self }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamGroup;
    use burn::optim::{AdamConfig, AdamWConfig, LambConfig, MuonConfig, SgdConfig};

    use super::*;

    fn of(optim: &ModuleOptimizer, path: &str) -> Treatment {
        treatment::<2>(optim, path, ParamId::from(7), &Device::flex()).unwrap()
    }

    #[test]
    fn optimizers_and_their_settings_are_told_apart() {
        let clipped = |norm: f32| {
            let clipping = burn::grad_clipping::GradientClippingConfig::Norm(norm);
            AdamWConfig::new().with_grad_clipping(Some(clipping)).init()
        };
        let optimizers: Vec<ModuleOptimizer> = vec![
            AdamWConfig::new().init(),
            AdamWConfig::new().with_weight_decay(1e-3).init(),
            AdamWConfig::new().with_epsilon(1e-8).init(),
            AdamWConfig::new().with_beta_2(0.95).init(),
            AdamConfig::new().init(),
            clipped(1.0),
            clipped(0.5),
            MuonConfig::new().build().into(),
            SgdConfig::new().init(),
            LambConfig::new().init(),
        ];
        let treatments: Vec<_> = optimizers.iter().map(|optim| of(optim, "a")).collect();
        for (i, a) in treatments.iter().enumerate() {
            assert_eq!(a, &of(&optimizers[i], "b"), "{i}");
            for (j, b) in treatments.iter().enumerate().skip(i + 1) {
                assert_ne!(a, b, "{i} and {j}");
            }
        }
    }

    #[test]
    fn groups_are_seen_and_the_optimizer_keeps_its_state() {
        let optim = AdamWConfig::new().init();
        let sgd = SgdConfig::new().build();
        let optim = optim.with_group(ParamGroup::from_predicate("layers.1"), sgd, None);
        assert_ne!(of(&optim, "layers.1.weight"), of(&optim, "layers.0.weight"));
        assert_eq!(of(&optim, "layers.2.weight"), of(&optim, "layers.0.weight"));
        assert!(optim.to_record().is_empty());
    }
}
