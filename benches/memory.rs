//! Memory, each figure from a process of its own (Linux): what parameters, gradients and optimizer state take by stage, and
//! what activations take by virtual depth. `cargo bench --bench memory`.

use std::process::Command;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::depth::{ConstantHigh, ConstantLow};
use serde::{Deserialize, Serialize};

use apollo_benches::{Size, adamw, stages};

const VARIABLE: &str = "BURN_APOLLO_MEMORY";
/// Weights that outweigh everything else.
const WEIGHTS: Size = Size { layers: 12, width: 512, windows: 1, context: 16 };
/// Activations that outweigh everything else.
const ACTIVATIONS: Size = Size { layers: 12, width: 128, windows: 16, context: 256 };

/// What one process measures.
#[derive(Serialize, Deserialize)]
struct Work {
    weights: bool,
    layers: usize,
    first: usize,
    depth_is_full: bool,
    gradient_checkpointing: bool,
}

/// MiB that came with each part of a training, and at most.
#[derive(Serialize, Deserialize)]
struct Found {
    parameters: f64,
    gradients: f64,
    state: f64,
    peak: f64,
}

impl Work {
    fn of_environment() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        Some(serde_json::from_str(&text).expect("the variable is this program's own"))
    }

    fn measure(&self) -> Found {
        let exe = std::env::current_exe().expect("a running program has a path");
        let text = serde_json::to_string(self).expect("numbers have a text");
        let out = Command::new(exe).env(VARIABLE, text).output().expect("the program runs");
        serde_json::from_slice(&out.stdout).expect("the program prints what it found")
    }

    fn run(&self) {
        let mut device = Device::flex().autodiff();
        if self.gradient_checkpointing {
            device = device.gradient_checkpointing();
        }
        let size = if self.weights { WEIGHTS } else { ACTIVATIONS }.with_layers(self.layers);
        let plan = Plan::new(100).with_schedule(stages(self.first, self.layers));
        let plan = match self.depth_is_full {
            true => plan.with_sampler(ConstantHigh),
            false => plan.with_sampler(ConstantLow),
        };
        let before = resident("VmRSS:");
        let mut apollo = size.apollo(plan, &device);
        let model = resident("VmRSS:");
        let (inputs, targets) = size.batch(&device);
        let loss = apollo.model().loss(inputs, targets);
        let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
        let gradients = resident("VmRSS:");
        let mut optim = adamw();
        apollo.update(&mut optim, 1e-4, grads).expect("nothing grows yet");
        let state = resident("VmRSS:");
        for _ in 0..2 {
            size.step(&mut apollo, &mut optim, &device);
        }
        let found = Found {
            parameters: model - before,
            gradients: gradients - model,
            state: state - model,
            peak: resident("VmHWM:") - before,
        };
        println!("{}", serde_json::to_string(&found).expect("numbers have a text"));
    }
}

/// MiB of this process by a line of its status.
fn resident(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line)).unwrap_or("0 kB");
    let kilobytes: f64 = found.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
    kilobytes / 1024.0
}

fn main() {
    if let Some(work) = Work::of_environment() {
        return work.run();
    }
    for layers in [12, 48] {
        by_stage(layers);
    }
    by_depth();
}

fn by_stage(layers: usize) {
    let work = |first| Work {
        weights: true,
        layers,
        first,
        depth_is_full: false,
        gradient_checkpointing: false,
    };
    let all = work(layers).measure();
    println!(
        "of {layers} layers, width {}: parameters {:.0} MiB, gradients {:.0}, AdamW's state {:.0}, at most {:.0}",
        WEIGHTS.width, all.parameters, all.gradients, all.state, all.peak
    );
    for first in [1, layers / 4, layers / 2] {
        let found = work(first).measure();
        println!(
            "    {first:>2} unique layers: parameters {:.3}, gradients {:.3}, state {:.3}, at most {:.3} of that",
            found.parameters / all.parameters,
            found.gradients / all.gradients,
            found.state / all.state,
            found.peak / all.peak
        );
    }
}

fn by_depth() {
    println!(
        "at most, with {} tokens a step, width {}; with gradient checkpointing:",
        ACTIVATIONS.tokens(),
        ACTIVATIONS.width
    );
    let work = |layers, first, depth_is_full| {
        [false, true].map(|gradient_checkpointing| Work {
            weights: false,
            layers,
            first,
            depth_is_full,
            gradient_checkpointing,
        })
    };
    for (layers, first, full) in [(12, 3, false), (6, 3, true), (12, 3, true), (12, 12, true)] {
        let [plain, checkpointed] = work(layers, first, full).map(|work| work.measure().peak);
        let depth = if full { layers } else { first };
        println!(
            "    {first:>2} unique layers at depth {depth:>2}: {plain:.0} MiB; {checkpointed:.0} MiB, {:.2} of it",
            checkpointed / plain
        );
    }
}
