//! Optimizers on parameters in the device's 16 bits.

use burn::optim::ModuleOptimizer;
use burn_apollo::expand::{NewLayers, Stacking};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::{Apollo, Plan};

use crate::kind::{Kind, Model, turn};
use crate::support::roster::roster;
use crate::support::{batch, chain, device, grads_of, parameters, stages};

const LAYERS: usize = 6;

/// A kind of layer in the device's precision.
macro_rules! native_layer {
    ($name:ident, $precision:expr) => {
        #[derive(burn::module::Module, Debug)]
        struct $name {
            linear: burn::nn::Linear,
        }

        impl crate::kind::Kind for $name {
            const PRECISION: burn::tensor::FloatDType = $precision;

            fn new(_index: usize, device: &burn::tensor::Device) -> Self {
                let width = crate::support::WIDTH;
                Self { linear: burn::nn::LinearConfig::new(width, width).init(device) }
            }

            fn forward(&self, x: burn::tensor::Tensor<2>) -> burn::tensor::Tensor<2> {
                x.clone() + self.linear.forward(x).tanh()
            }
        }
    };
}
pub(crate) use native_layer;

/// Every optimizer of Burn trains the kind through two growths of copies with noise. Adafactor is refused at the first: it keeps state in 32 bits,
/// which Burn would load in 16.
pub fn optimizers_train<L: Kind>() {
    for (name, optim) in roster() {
        match (name, trains_with::<L>(optim)) {
            ("Adafactor", Err(said)) => {
                assert!(said.contains("is F32, but Burn loads optimizer state as"), "{said}");
            }
            (_, found) => assert_eq!(found, Ok(()), "{name}"),
        }
    }
}

/// What went wrong: an error, or the first parameter that is not finite any more.
fn trains_with<L: Kind>(mut optim: ModuleOptimizer) -> Result<(), String> {
    let _turn = turn();
    device().seed(1);
    let plan = Plan::new(20)
        .with_schedule(stages(&[(2, 4), (4, 8)], LAYERS))
        .with_expander(Stacking)
        .with_new_layers(NewLayers::Noisy { std: 0.01 })
        .with_moments(MomentPolicy::Copy);
    let mut apollo = Apollo::new(Model::<L>::new(LAYERS, &device()), plan).unwrap();
    for step in 0..12 {
        let loss = apollo.model().loss(batch(step, &device()));
        let grads = grads_of(&loss, &apollo);
        apollo.update(&mut optim, 0.01, grads).map_err(|e| chain(&e))?;
        for (path, (_, bits)) in parameters(apollo.model()) {
            if !bits.iter().all(|bits| f32::from_bits(*bits).is_finite()) {
                return Err(format!("{path} is not finite after step {step}"));
            }
        }
    }
    assert_eq!(apollo.unique_layers(), LAYERS);
    Ok(())
}
