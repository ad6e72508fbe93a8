//! The time of a step against the depth that it runs at: a fixed part and a slope, drawn in `docs/step-time.svg`.

use apollo_benches::{Size, adamw, stages};
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::depth::ConstantHigh;
use criterion::Criterion;
use kuva::prelude::*;

use super::median;

const DEPTHS: [usize; 6] = [1, 2, 4, 6, 9, 12];
/// Unique layers where the depth is virtual.
const SHARED: usize = 3;

/// One kind of depth: what it is called, and the seconds at [`DEPTHS`].
type Series = (String, Vec<f64>);

pub fn group(criterion: &mut Criterion, device: &Device) {
    let mut all: Vec<Series> = Vec::new();
    for (name, size) in [("tiny", Size::TINY), ("middle", Size::MIDDLE)] {
        for (kind, shared) in [("unique layers", usize::MAX), ("3 shared layers", SHARED)] {
            let name = format!("{name}, {kind}");
            let mut group = criterion.benchmark_group(format!("depth, {name}"));
            let times = DEPTHS.iter().filter_map(|&depth| {
                let schedule = stages(depth.min(shared), depth);
                let plan = Plan::new(100_000).with_schedule(schedule).with_sampler(ConstantHigh);
                let size = size.with_layers(depth);
                let (mut apollo, mut optim) = (size.apollo(plan, device), adamw());
                median(&mut group, &depth.to_string(), || {
                    size.step(&mut apollo, &mut optim, device);
                })
            });
            let times: Vec<f64> = times.collect();
            group.finish();
            if times.len() == DEPTHS.len() {
                say(&name, size, &times);
                all.push((name, times));
            }
        }
    }
    if all.len() == 4 {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/step-time.svg");
        std::fs::write(file, draw(&all)).expect("the picture can be written");
    }
}

/// Operations of a step at a depth, as a share of those at the deepest.
fn share(size: Size, depth: usize) -> f64 {
    size.cost().training(&[depth]) / size.cost().training(&[12])
}

fn say(name: &str, size: Size, times: &[f64]) {
    let (fixed, slope) = line(times);
    println!(
        "{name}: {:.1} ms and {:.2} ms for each layer of depth; the fixed part is {:.1} % of the time of 12 layers and {:.1} % \
         of their operations",
        fixed * 1e3,
        slope * 1e3,
        fixed / (fixed + 12.0 * slope) * 100.0,
        share(size, 0) * 100.0
    );
    for (depth, time) in DEPTHS.into_iter().zip(times) {
        let (time, operations) = (time / times[DEPTHS.len() - 1], share(size, depth));
        println!("    depth {depth:>2}: time {time:.3}, operations {operations:.3} of those of 12");
    }
}

/// The least-squares line through the times at [`DEPTHS`]: what it is at no layer, and its slope.
fn line(times: &[f64]) -> (f64, f64) {
    let n = times.len() as f64;
    let x = DEPTHS.map(|depth| depth as f64);
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, times.iter().sum::<f64>() / n);
    let covariance: f64 = x.iter().zip(times).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = covariance / x.iter().map(|x| (x - mean_x).powi(2)).sum::<f64>();
    (mean_y - slope * mean_x, slope)
}

fn draw(all: &[Series]) -> String {
    const COLORS: [&str; 4] = ["#d55e00", "#e69f00", "#0072b2", "#56b4e9"];
    let mut plots = Vec::new();
    for ((name, times), color) in all.iter().zip(COLORS) {
        let deepest = times[DEPTHS.len() - 1];
        let points = DEPTHS.iter().zip(times).map(|(depth, time)| (*depth as f64, time / deepest));
        let line = LinePlot::new().with_data(points).with_color(color).with_stroke_width(2.0);
        plots.push(Plot::Line(line.with_legend(name)));
    }
    let points = DEPTHS.map(|depth| (depth as f64, share(Size::MIDDLE, depth)));
    let line = LinePlot::new().with_data(points).with_color("#000000").with_stroke_width(1.5);
    let line = line.with_line_style(LineStyle::Dashed).with_legend("operations, middle");
    plots.push(Plot::Line(line));
    let layout = Layout::auto_from_plots(&plots)
        .with_x_label("depth of the step")
        .with_y_label("share of a step at depth 12");
    render_to_svg(plots, layout)
}
