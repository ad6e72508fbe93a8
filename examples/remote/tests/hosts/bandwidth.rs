//! What a step moves over the network, by stage: counted on the sockets of two hosts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::spawn;

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

use crate::server::{Server, connected, token};

const LAYERS: usize = 12;
const SEQ: usize = 64;
/// One window for each host: what is counted hardly depends on it.
const BATCH: usize = 2;

/// Bytes in both directions.
#[derive(Default)]
struct Moved {
    /// Between the training and the hosts: operations, data, losses.
    sessions: AtomicU64,
    /// From host to host: parameters and gradients.
    tensors: AtomicU64,
}

impl Moved {
    fn now(&self) -> [u64; 2] {
        [self.sessions.load(Ordering::SeqCst), self.tensors.load(Ordering::SeqCst)]
    }
}

/// A way to a host's WebSocket that counts what goes over it; gives its URL.
fn counted(address: String, moved: Arc<Moved>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    spawn(move || {
        for client in listener.incoming() {
            let (client, host) = (client.unwrap(), TcpStream::connect(&address).unwrap());
            let moved = moved.clone();
            spawn(move || forward(client, host, moved));
        }
    });
    url
}

fn forward(mut client: TcpStream, mut host: TcpStream, moved: Arc<Moved>) {
    client.set_nodelay(true).unwrap();
    host.set_nodelay(true).unwrap();
    let (back, to) = (host.try_clone().unwrap(), client.try_clone().unwrap());
    // The request's first line says what the connection is for.
    let mut first = [0; 5];
    client.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"GET /");
    let mut kind = [0; 4];
    client.read_exact(&mut kind).unwrap();
    let tensors = &kind == b"data";
    host.write_all(&[&first[..], &kind[..]].concat()).unwrap();
    let other = moved.clone();
    spawn(move || copy(back, to, &other, tensors));
    copy(client, host, &moved, tensors);
}

fn copy(mut from: TcpStream, mut to: TcpStream, moved: &Moved, tensors: bool) {
    let mut buffer = vec![0; 1 << 16];
    let count = if tensors { &moved.tensors } else { &moved.sessions };
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        count.fetch_add(n as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

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
