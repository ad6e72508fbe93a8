//! One seed and plan give one sequence of depths: on every backend, with any number of devices, under every strategy.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::tensor::{Device, Tensor};
use burn::train::{
    ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining, TrainingStrategy,
};
use burn_apollo::{Apollo, Plan};

use crate::support::burn_train::{Rows, model, trained};
use crate::support::{Net, adamw, growth_steps, stages};

/// Depths of 20 steps of 12 layers by seed 2: 1 layer until step 6, 3 until step 12, then 6. A change is
/// value-breaking.
const DEPTHS: [usize; 20] = [2, 1, 1, 1, 1, 1, 3, 3, 5, 3, 3, 3, 6, 6, 6, 6, 6, 6, 11, 12];

fn apollo(device: &Device) -> Apollo<Net> {
    let schedule = stages(&[(1, 6), (3, 12), (6, 19)], 12);
    let plan = Plan::new(20).with_schedule(schedule).with_seed(2);
    Apollo::new(Net::new(12, &device.clone().autodiff()), plan).unwrap()
}

fn loader(batches: usize) -> Arc<dyn DataLoader<Tensor<2>>> {
    DataLoaderBuilder::new(Rows).batch_size(2).build(InMemDataset::new((0..2 * batches).collect()))
}

/// The depth of each step; all devices of a step must agree.
fn depths(devices: usize, device: &Device, strategy: ExecutionStrategy) -> Vec<usize> {
    let dir = tempfile::tempdir().unwrap();
    let apollo = apollo(device);
    let ran = apollo.model().ran.clone();
    let training = SupervisedTraining::new(dir.path(), loader(20 * devices), loader(2))
        .with_application_logger(None)
        .with_training_strategy(TrainingStrategy::Default(strategy));
    let model = model(apollo, &training);
    let apollo = trained(training.launch(Learner::new(model, adamw(), ConstantLr::new(0.01))));
    assert_eq!(growth_steps(&apollo), [6, 12, 19]);
    let all = ran.depths();
    assert_eq!(all.len(), 20 * devices);
    let steps = all.chunks(devices).enumerate();
    steps
        .map(|(step, depths)| {
            assert!(depths.iter().all(|depth| *depth == depths[0]), "step {step}: {depths:?}");
            depths[0]
        })
        .collect()
}

#[test]
fn on_one_device() {
    let device = Device::flex();
    assert_eq!(depths(1, &device, ExecutionStrategy::single(device.clone())), DEPTHS);
}

#[test]
fn on_several_devices() {
    let device = Device::flex();
    for count in [2, 3] {
        for optim in [MultiDeviceOptim::OptimMainDevice, MultiDeviceOptim::OptimSharded] {
            let devices = vec![device.clone(); count];
            let strategy = ExecutionStrategy::multi(devices, optim);
            assert_eq!(depths(count, &device, strategy), DEPTHS, "{count} devices, {optim:?}");
        }
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn on_wgpu() {
    let kind = match std::env::var("APOLLO_TEST_GPU") {
        Ok(_) => burn::tensor::DeviceKind::DefaultDevice,
        Err(_) => burn::tensor::DeviceKind::Cpu,
    };
    let device = Device::wgpu(kind);
    assert_eq!(depths(1, &device, ExecutionStrategy::single(device.clone())), DEPTHS);
}

/// Burn 0.22.1 has collectives of its own for CUDA alone.
#[test]
fn under_distributed_data_parallel() {
    #[cfg(feature = "cuda")]
    {
        use burn::tensor::DeviceType;
        use burn::tensor::distributed::{DistributedConfig, ReduceOperation};

        let found = std::panic::catch_unwind(|| Device::enumerate(DeviceType::Cuda).into_vec());
        if let Some(devices) = found.ok().filter(|devices| !devices.is_empty()) {
            let (count, first) = (devices.len(), devices[0].clone());
            let config = DistributedConfig { all_reduce_op: ReduceOperation::Mean };
            let devices = devices.into_iter().map(Device::autodiff).collect();
            assert_eq!(depths(count, &first, ExecutionStrategy::ddp(devices, config)), DEPTHS);
            return;
        }
    }
    println!("skipped: no device that can");
}
