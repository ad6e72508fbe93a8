//! What the crate costs and what it saves, on this machine: ratios of steps and runs that take turns, medians.
//!
//! ```text
//! cargo bench --profile dev --bench performance                  # all of it, a quarter of an hour
//! cargo bench --profile dev --bench performance -- runs depth    # parts of it
//! cargo bench --profile dev --bench performance -- depth --picture docs/step-time.svg
//! ```
//!
//! The parts: `overhead`, `depth`, `runs`, `growth`, `checkpoint`, `memory`. Figures are worth something on a machine that
//! does nothing else.

mod checkpoint;
mod depth;
mod growth;
mod memory;
mod model;
mod overhead;
mod runs;

use burn::tensor::Device;

const PARTS: [&str; 6] = ["overhead", "depth", "runs", "growth", "checkpoint", "memory"];

fn main() {
    if let Some(work) = memory::Work::of_environment() {
        return work.run();
    }
    // Cargo passes `--bench`.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (mut parts, mut picture) = (Vec::new(), None);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--picture" => picture = Some(args.next().expect("--picture takes a file")),
            part if PARTS.contains(&part) => parts.push(part.to_owned()),
            other => panic!("{other:?} is no part; there are {}", PARTS.join(", ")),
        }
    }
    let device = Device::flex().autodiff();
    device.seed(1);
    for part in PARTS.iter().filter(|part| parts.is_empty() || parts.iter().any(|p| p == *part)) {
        println!("== {part}");
        match *part {
            "overhead" => overhead::report(&device),
            "depth" => depth::report(&device, picture.as_deref()),
            "runs" => runs::report(&device),
            "growth" => growth::report(&device),
            "checkpoint" => checkpoint::report(&device),
            _ => memory::report(),
        }
    }
}
