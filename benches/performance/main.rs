//! What the crate costs on this machine: each group measures the same work with and without it, then prints the ratios of
//! the medians.
//!
//! ```text
//! cargo bench --bench performance                  # all of it, some minutes
//! cargo bench --bench performance -- depth         # a group: overhead, depth, growth, checkpoint
//! ```
//!
//! Figures are worth something on a machine that does nothing else.

mod checkpoint;
mod depth;
mod growth;
mod overhead;

use std::time::{Duration, Instant};

use burn::tensor::Device;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};

fn main() {
    let device = Device::flex().autodiff();
    device.seed(1);
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    overhead::group(&mut criterion, &device);
    depth::group(&mut criterion, &device);
    growth::group(&mut criterion, &device);
    checkpoint::group(&mut criterion, &device);
    criterion.final_summary();
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Measures `work` under `name`, and gives the median of its seconds; none where the command line leaves it out.
fn median(group: &mut Group<'_>, name: &str, mut work: impl FnMut()) -> Option<f64> {
    median_of(group, name, || {
        let start = Instant::now();
        work();
        start.elapsed()
    })
}

/// As [`median`], of the time that `work` itself takes.
fn median_of(group: &mut Group<'_>, name: &str, mut work: impl FnMut() -> Duration) -> Option<f64> {
    let mut seconds = Vec::new();
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let all: Duration = (0..times).map(|_| work()).sum();
            seconds.push(all.as_secs_f64() / times as f64);
            all
        });
    });
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied()
}
