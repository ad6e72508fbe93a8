//! The core on GPU devices, against the CPU: shared forward, gradients, growth and optimizer state.
//!
//! The wgpu test needs the feature `wgpu` and a Vulkan driver, a software one at least. The CUDA test runs
//! where there is a CUDA device and says so elsewhere.

mod support;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use burn_apollo::{Apollo, Plan};
use burn_pack::Reader;
use support::{Net, batch, stages};

/// Twelve steps with two growths; the losses, the last gradient of the first block, and the state tensors.
struct Trace {
    losses: Vec<f32>,
    gradient: Vec<f32>,
    /// The norms of the optimizer's state tensors, sorted.
    state: Vec<f32>,
}

fn train(device: &Device) -> Trace {
    let device = device.clone().autodiff();
    let plan = Plan::new(12).with_schedule(stages(&[(1, 3), (3, 7)], 6)).with_seed(4);
    let mut apollo = Apollo::new(Net::new(6, &device), plan).unwrap();
    let mut optim: ModuleOptimizer = AdamWConfig::new().init();
    let (mut losses, mut gradient) = (Vec::new(), Vec::new());
    for step in 0..12 {
        let model = apollo.model();
        let loss = model.loss(batch(step, &device));
        losses.push(loss.clone().into_scalar::<f32>());
        let grads = loss.backward();
        gradient = values(model.blocks.layers()[0].weight().grad(&grads).unwrap());
        let grads = GradientsParams::from_grads(grads, model);
        let report = apollo.update(&mut optim, 0.01, grads).unwrap();
        assert_eq!(report.growth.is_some(), step == 2 || step == 6);
    }
    assert_eq!(apollo.unique_layers(), 6);
    Trace { losses, gradient, state: state_norms(&optim) }
}

fn state_norms(optim: &ModuleOptimizer) -> Vec<f32> {
    let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let norm = |tensor: burn_pack::Tensor| {
        let (_, dtype, shape, _, bytes) = tensor.into_parts().unwrap();
        let data = TensorData::from_bytes(bytes, shape, dtype);
        data.iter::<f32>().map(|x| x * x).sum::<f32>().sqrt()
    };
    let mut norms: Vec<f32> = reader.into_tensors().unwrap().into_iter().map(norm).collect();
    norms.sort_by(f32::total_cmp);
    norms
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn close(found: &[f32], expected: &[f32], relative: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1e-3_f32, |m, x| m.max(x.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= relative * size, "{what}: {f} against {e}");
    }
}

fn core(device: &Device) {
    // A shared forward is a plain stack of tied copies; the shared gradient is the sum over them.
    let training = device.clone().autodiff();
    let plan = Plan::new(12).with_schedule(stages(&[(2, 3)], 6));
    let mut apollo = Apollo::new(Net::new(6, &training), plan).unwrap();
    apollo.set_depth(5).unwrap();
    let model = apollo.model();
    let order = model.blocks.order().to_vec();
    let copies = order.iter().map(|i| model.blocks.layers()[*i].clone().fork(&training)).collect();
    let plain = model.with_blocks(copies);
    let x = batch(1, &training);
    close(&values(model.forward(x.clone())), &values(plain.forward(x.clone())), 1e-6, "forward");
    let (shared, tied) = (model.loss(x.clone()).backward(), plain.loss(x).backward());
    for (unique, block) in model.blocks.layers().iter().enumerate() {
        let uses = order.iter().zip(plain.blocks.layers()).filter(|(u, _)| **u == unique);
        let sum = uses.map(|(_, copy)| copy.weight().grad(&tied).unwrap()).reduce(|a, b| a + b);
        let found = values(block.weight().grad(&shared).unwrap());
        close(&found, &values(sum.unwrap()), 1e-5, "gradient");
    }

    let (found, expected) = (train(device), train(&Device::flex()));
    close(&found.losses, &expected.losses, 1e-4, "losses");
    close(&found.gradient, &expected.gradient, 1e-3, "gradient after the growths");
    close(&found.state, &expected.state, 1e-3, "optimizer state");
    assert_eq!(found.state.len(), 2 * (2 * 6 + 4), "two moments of every parameter");
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_agrees_with_the_cpu() {
    let kind = match std::env::var("APOLLO_TEST_GPU") {
        Ok(_) => burn::tensor::DeviceKind::DefaultDevice,
        Err(_) => burn::tensor::DeviceKind::Cpu,
    };
    core(&Device::wgpu(kind));
}

#[test]
fn cuda() {
    #[cfg(feature = "cuda")]
    {
        let found = std::panic::catch_unwind(|| {
            Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec()
        });
        if let Some(device) = found.ok().and_then(|d| d.into_iter().next()) {
            println!("{device:?}");
            core(&device);
            return;
        }
    }
    println!("skipped: no CUDA device");
}

#[test]
fn flex_agrees_with_itself() {
    core(&Device::flex());
}
