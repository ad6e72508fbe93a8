//! Peak memory of the first stage against the full model, each in a process of its own (Linux).
//!
//! ```text
//! cargo bench --bench memory
//! ```

use std::process::Command;

use apollo_examples::models::gpt::GptConfig;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_apollo::schedule::Schedule;
use burn_apollo::{Apollo, Plan};

const LAYERS: usize = 12;

/// Trains a few steps of a model whose weights outweigh its activations; prints parameters, state
/// tensors' numbers and the process's peak memory in KiB.
fn run(first_stage: usize) {
    let device = Device::flex().autodiff();
    let model = GptConfig {
        vocabulary: 256,
        positions: 16,
        width: 512,
        heads: 8,
        layers: LAYERS,
        embedding_std: 0.1,
        linear_std: 0.02,
        dropout: 0.0,
    }
    .init(&device);
    let schedule = match first_stage {
        LAYERS => Schedule::from_scratch(&[LAYERS]),
        first => Schedule::one_hop(&[first], &[LAYERS], 0.5),
    };
    let plan = Plan::new(100).with_schedule(schedule);
    let mut apollo = Apollo::new(model, plan).expect("the plan fits the model");
    let mut optim: ModuleOptimizer = AdamWConfig::new().init();
    for _ in 0..6 {
        let ids: Vec<i32> = (0..32).map(|i| i * 7 % 251).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [2, 16]), &device);
        let loss = apollo.model().loss(ids.clone(), ids);
        let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
        apollo.update(&mut optim, 1e-4, grads).expect("nothing grows yet");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    println!("{} {}", apollo.model().num_params(), peak.trim().trim_end_matches(" kB"));
}

fn main() {
    if let Ok(stage) = std::env::var("MEMORY_FIRST_STAGE") {
        return run(stage.parse().expect("a number of layers"));
    }
    let exe = std::env::current_exe().expect("a running program has a path");
    let measure = |stage: usize| -> (f64, f64) {
        let out = Command::new(&exe).env("MEMORY_FIRST_STAGE", stage.to_string()).output();
        let text = String::from_utf8_lossy(&out.expect("the program runs").stdout).into_owned();
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        (numbers[0], numbers[1])
    };
    let (all_params, all_peak) = measure(LAYERS);
    for stage in [1, 3, 6, LAYERS] {
        let (params, peak) = measure(stage);
        println!(
            "{stage:>2} of {LAYERS} unique layers: parameters {:.3}, peak memory {:.3} of the full model ({:.0} MiB)",
            params / all_params,
            peak / all_peak,
            peak / 1024.0
        );
    }
}
