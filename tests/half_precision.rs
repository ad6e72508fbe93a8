//! Parameters in half precision. Alone in its file: the precision of a device is set once for a process.

#[path = "support/kind.rs"]
mod kind;
#[path = "support/sixteen_bits.rs"]
mod sixteen_bits;
mod support;

use std::collections::BTreeMap;
use std::sync::Once;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use burn_apollo::expand::Stacking;
use burn_apollo::optim::MomentPolicy;
use burn_apollo::{Apollo, Plan, apollo::GrowthRequest};
use burn_pack::Reader;
use kind::{Kind, Model, contract, step_of, turn};
use sixteen_bits::{native_layer, optimizers_train};
use support::{WIDTH, adamw, chain, device, load_record, parameters, record, stages};

/// Optimizer state is loaded in the default device's precision, so a run in half precision sets it.
fn in_half_precision() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| Device::default().configure(FloatDType::F16).unwrap());
}

native_layer!(Half, FloatDType::F16);

#[test]
fn half_precision_as_the_device_has_it() {
    in_half_precision();
    contract::<Half>();
    let model = Model::<Half>::new(1, &device());
    assert_eq!(model.blocks.layers()[0].linear.weight.val().dtype(), DType::F16);
}

#[test]
fn every_optimizer_in_half_precision() {
    in_half_precision();
    optimizers_train::<Half>();
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
    let _turn = turn();
    in_half_precision();
    let build = || Model::<Brain>::new(4, &device());
    let plan = || Plan::new(20).with_schedule(stages(&[(2, 4)], 4));
    let error = Apollo::new(build(), plan()).unwrap_err();
    let text = error.to_string();
    let loaded = "`blocks.0.linear.weight` is BF16, but Burn loads optimizer state as F16";
    assert!(text.starts_with(loaded), "{text}");
    assert!(text.contains("MomentPolicy::Reset"), "{text}");

    // An optimizer that starts afresh loads nothing.
    let mut apollo = Apollo::new(build(), plan().with_moments(MomentPolicy::Reset)).unwrap();
    let mut optim = adamw();
    for step in 0..8 {
        if step == 3 {
            // A growth by hand that would load state.
            let request = GrowthRequest::next().with_moments(MomentPolicy::Copy);
            let error = chain(&apollo.grow(&mut optim, &request).unwrap_err());
            assert!(error.contains("optimizer state momentum.moment_"), "{error}");
        }
        step_of(&mut apollo, &mut optim);
    }
    let weight = apollo.model().blocks.layers()[3].linear.weight.val();
    assert_eq!((apollo.unique_layers(), weight.dtype()), (4, DType::BF16));

    let loaded = Apollo::new(build(), plan().with_moments(MomentPolicy::Reset)).unwrap();
    let loaded = load_record(loaded, record(&apollo));
    assert_eq!(parameters(loaded.model()), parameters(apollo.model()));
}

/// State is scaled in its own type: first moments to a half, second ones to a quarter.
#[test]
fn moments_in_half_precision() {
    let _turn = turn();
    in_half_precision();
    let plan = Plan::new(20).with_schedule(stages(&[(2, 9)], 4)).with_expander(Stacking);
    let mut apollo = Apollo::new(Model::<Half>::new(4, &device()), plan).unwrap();
    let mut optim = adamw();
    (0..3).for_each(|_| drop(step_of(&mut apollo, &mut optim)));
    let before = tensors(&optim);
    apollo.grow(&mut optim, &GrowthRequest::next().with_moments(MomentPolicy::Scaled)).unwrap();
    let after = tensors(&optim);
    let mut looked_at = 0;
    for layer in &apollo.registry().stacks[0].layers {
        for param in &layer.params {
            let parent = param.parent.as_ref().unwrap_or(&param.id);
            for (field, factor) in [("momentum.moment_1", 0.5), ("momentum.moment_2", 0.25)] {
                let (dtype, found) = &after[&format!("{}.{field}", param.id)];
                let (_, old) = &before[&format!("{parent}.{field}")];
                let expected: Vec<f32> = old
                    .iter()
                    .map(|x| TensorData::from([x * factor]).convert_dtype(DType::F16))
                    .flat_map(|half| half.iter::<f32>().collect::<Vec<_>>())
                    .collect();
                assert_eq!((*dtype, found), (DType::F16, &expected), "{field} of {}", param.path);
                assert!(found.iter().any(|x| *x != 0.0), "{field} of {}", param.path);
                looked_at += 1;
            }
        }
    }
    assert_eq!(looked_at, 4 * 2 * 2);
}

fn tensors(optim: &ModuleOptimizer) -> BTreeMap<String, (DType, Vec<f32>)> {
    let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let tensors = reader.into_tensors().unwrap().into_iter().map(|tensor| {
        let (name, dtype, shape, _, bytes) = tensor.into_parts().unwrap();
        let values = TensorData::from_bytes(bytes, shape, dtype).iter::<f32>().collect();
        (name, (dtype, values))
    });
    tensors.collect()
}
