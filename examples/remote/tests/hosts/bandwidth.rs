//! What a step moves over the network, by stage: counted on the sockets of two hosts.

use std::sync::Arc;

use apollo_examples::models::gpt::{Gpt, GptConfig};
use apollo_examples::text::corpus::Corpus;
use apollo_examples_testing::SHAKESPEARE;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::tensor::Device;
use burn::train::{
    ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining, TrainingStrategy,
};
use burn_apollo::depth::ConstantLow;
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::train::Trainable;
use burn_apollo::{Apollo, Plan};
use remote::{Share, StepBatches, Token};

use crate::proxy::{Moved, counted};
use crate::server::{Server, connected, token};

const LAYERS: usize = 12;
const SEQ: usize = 64;
/// One window for each host: what is counted hardly depends on it.
const BATCH: usize = 2;

fn gpt() -> Gpt {
    let (vocabulary, width, heads, dropout) = (256, 64, 4, 0.0);
    let (embedding_std, linear_std, positions, layers) = (0.1, 0.07, SEQ, LAYERS);
    let config = GptConfig {
        vocabulary,
        positions,
        width,
        heads,
        layers,
        embedding_std,
        linear_std,
        dropout,
    };
    config.init(&Device::flex().autodiff())
}

struct Measured {
    params: usize,
    sessions: f64,
    tensors: f64,
}

/// What a step moves with so many unique layers, each run once: the difference of a longer and a shorter run.
fn measure(layers: usize, optim: MultiDeviceOptim, devices: &[Device], moved: &Moved) -> Measured {
    let text = Arc::new(Corpus::read(SHAKESPEARE.as_ref(), SEQ).unwrap());
    // The same ids in both runs: by them the sharded optimizer chooses a parameter's device.
    let model = Share { gpt: gpt(), devices: devices.len() };
    let mut params = 0;
    let mut run = |steps: u64| {
        let before = moved.now();
        let stage = |layers, until| Stage { layers: vec![layers], until };
        let stages = match layers {
            LAYERS => vec![stage(LAYERS, None)],
            _ => vec![stage(layers, Some(Until::Step(99))), stage(LAYERS, None)],
        };
        let plan = Plan::new(100).with_schedule(Schedule { stages }).with_sampler(ConstantLow);
        let apollo = Apollo::new(model.clone(), plan).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let batches = |rows, steps| StepBatches::new(text.clone(), 1, SEQ, rows, steps, 0);
        let valid = batches(1, 1).to_device(&devices[0]);
        let strategy = ExecutionStrategy::multi(devices.to_vec(), optim);
        let training = SupervisedTraining::new(dir.path(), Arc::new(batches(BATCH, steps)), valid)
            .with_application_logger(None)
            .with_training_strategy(TrainingStrategy::Default(strategy));
        let model = Trainable::new(apollo, training.interrupter());
        let result =
            training.launch(Learner::new(model, AdamWConfig::new().init(), ConstantLr::new(0.001)));
        assert!(result.error.is_none(), "{:?}", result.error);
        let apollo = result.model.into_apollo().unwrap();
        params = apollo.model().num_params();
        devices.iter().for_each(|device| device.sync().unwrap());
        let after = moved.now();
        [0, 1].map(|i| after[i] - before[i])
    };
    let (short, long) = (run(3), run(7));
    let [sessions, tensors] = [0, 1].map(|i| (long[i] - short[i]) as f64 / 4.0);
    Measured { params, sessions, tensors }
}

#[test]
fn fewer_unique_layers_move_fewer_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let token = token(scratch.path(), "token");
    let servers = [(); 2].map(|()| Server::start(&token, &["--websocket"]));
    let token = Token::read(&token).unwrap();
    let moved = Arc::new(Moved::default());
    let devices = servers
        .each_ref()
        .map(|server| connected(&counted(server.address().to_owned(), moved.clone()), &token));

    for optim in [MultiDeviceOptim::OptimMainDevice, MultiDeviceOptim::OptimSharded] {
        println!(
            "{optim:?}: unique layers | parameters | MB between hosts | MB to and from the training"
        );
        let mut last = 0.0;
        for layers in [1, 3, 6, 9, LAYERS] {
            let Measured { params, sessions, tensors } = measure(layers, optim, &devices, &moved);
            println!("| {layers} | {params} | {:.3} | {:.3} |", tensors / 1e6, sessions / 1e6);
            // The parameters one way, the gradients the other: four bytes each, and little else.
            let least = 8.0 * params as f64;
            assert!(tensors >= least && tensors < 1.3 * least, "{tensors} for {params} parameters");
            assert!(tensors > last);
            last = tensors;
        }
    }
}
