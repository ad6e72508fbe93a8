//! Parameters in half precision. Alone in its file: the precision of a device is set once for a process.

#[path = "support/contract.rs"]
mod contract;
mod support;

use std::sync::Once;

use burn::module::{Module, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use burn_apollo::optim::{MomentOrders, MomentPolicy, OptimError, inherit};
use burn_apollo::stack::ParamOrigin;
use burn_apollo::{Apollo, ApolloConfig, ApolloError};
use burn_pack::{Reader, Scalar, Writer};
use contract::{Kind, Model, contract};
use support::{WIDTH, device, stages};

/// Optimizer state is loaded in the default device's precision, so a run in half precision sets it.
fn in_half_precision() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| Device::default().configure(FloatDType::F16).unwrap());
}

/// A layer in the device's precision.
#[derive(Module, Debug)]
struct Half {
    linear: Linear,
}

impl Kind for Half {
    const PRECISION: FloatDType = FloatDType::F16;

    fn new(_index: usize, device: &Device) -> Self {
        Self { linear: LinearConfig::new(WIDTH, WIDTH).init(device) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.linear.forward(x).tanh()
    }
}

#[test]
fn half_precision_as_the_device_has_it() {
    in_half_precision();
    contract::<Half>();
    let model = Model::<Half>::new(1, &device());
    assert_eq!(model.blocks.layers()[0].linear.weight.val().dtype(), DType::F16);
}

/// A layer in a precision of its own.
#[derive(Module, Debug)]
struct Brain {
    linear: Linear,
}

impl Kind for Brain {
    const PRECISION: FloatDType = FloatDType::BF16;

    fn new(_index: usize, device: &Device) -> Self {
        let linear = LinearConfig::new(WIDTH, WIDTH).init(device);
        let cast = |t: Tensor<2>| t.cast(FloatDType::BF16).detach().require_grad();
        Self { linear: Linear { weight: linear.weight.map(cast), bias: None } }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.linear.forward(x).tanh()
    }
}

/// Where Burn would load state in another precision, and fail at the next step, the run is refused before it begins.
#[test]
fn another_precision_than_the_default_devices() {
    let _turn = contract::turn();
    in_half_precision();
    let build = || Model::<Brain>::new(4, &device());
    let config = || ApolloConfig::new(20).with_schedule(stages(&[(2, 4)], 4));
    let error = Apollo::new(build(), config()).unwrap_err();
    let text = error.to_string();
    let ApolloError::Optim(OptimError::Precision { what, dtype, loaded }) = error else {
        panic!("{text}")
    };
    assert_eq!(
        (what.as_str(), dtype.as_str(), loaded.as_str()),
        ("blocks.0.linear.weight", "BF16", "F16")
    );
    assert!(text.contains("MomentPolicy::Reset"), "{text}");

    // An optimizer that starts afresh loads nothing.
    let mut apollo = Apollo::new(build(), config().with_moments(MomentPolicy::Reset)).unwrap();
    let mut optim = support::adamw();
    for _ in 0..8 {
        apollo = contract::step_of(apollo, &mut optim);
        apollo.growth().unwrap();
    }
    let weight = apollo.blocks.layers()[3].linear.weight.val();
    assert_eq!((apollo.unique_layers(), weight.dtype()), (4, DType::BF16));
    let orders = MomentOrders::default();
    let error =
        inherit(&optim, &[], &Default::default(), MomentPolicy::Copy, &orders).err().unwrap();
    assert!(error.to_string().contains("optimizer state momentum.moment_"), "{error}");

    let loaded = Apollo::new(build(), config().with_moments(MomentPolicy::Reset)).unwrap();
    let loaded = loaded.load_record(apollo.clone().into_record());
    assert_eq!(support::parameters(&loaded), support::parameters(&apollo));
}

/// State is scaled in its own type, and refused where that would not be kept.
#[test]
fn moments_in_half_precision() {
    in_half_precision();
    let halved = inherited(DType::F16).unwrap();
    for (name, values) in tensors(&halved) {
        let expected = if name.ends_with("moment_1") { 0.25 } else { 0.125 };
        assert_eq!(values, (DType::F16, vec![expected]), "{name}");
    }
}

fn inherited(dtype: DType) -> Result<ModuleOptimizer, OptimError> {
    let data = TensorData::new(vec![0.5_f32], [1]).convert_dtype(dtype);
    let tensor = |name: &str| {
        let (bytes, shape, dtype) = data.clone().into_parts();
        burn_pack::Tensor::new(name.to_owned(), dtype, shape, Some(7), bytes)
    };
    let store = Writer::new(vec![tensor("7.momentum.moment_1"), tensor("7.momentum.moment_2")])
        .with_scalar("7.__rank", Scalar::UInt(1))
        .with_scalar("7.momentum.time", Scalar::UInt(3));
    let record = OptimizerRecord::from_bytes(store.into_bytes().unwrap()).unwrap();
    let optim: ModuleOptimizer = AdamWConfig::new().init();
    let parent = Some(ParamId::from(7));
    let origins = [7, 8].map(|id: u64| ParamOrigin { id: id.into(), parent, copies: 2 });
    let (optim, report) = inherit(
        &optim.load_record(record),
        &origins,
        &Default::default(),
        MomentPolicy::Scaled,
        &MomentOrders::default(),
    )?;
    assert_eq!(report.params_inherited, 1);
    Ok(optim)
}

fn tensors(optim: &ModuleOptimizer) -> Vec<(String, (DType, Vec<f32>))> {
    let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let tensors = reader.into_tensors().unwrap().into_iter().map(|tensor| {
        let (name, dtype, shape, _, bytes) = tensor.into_parts().unwrap();
        let values = TensorData::from_bytes(bytes, shape, dtype).iter::<f32>().collect();
        (name, (dtype, values))
    });
    tensors.collect()
}
