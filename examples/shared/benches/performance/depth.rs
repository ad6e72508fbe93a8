//! The time of a step against the depth that it runs at: a fixed part and a slope.

use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::depth::ConstantHigh;
use kuva::prelude::*;

use super::model::{Size, adamw, median, stages, timed};

const DEPTHS: [usize; 6] = [1, 2, 4, 6, 9, 12];
/// Unique layers where the depth is virtual.
const SHARED: usize = 3;
const ROUNDS: usize = 21;

/// One kind of depth: what it is called, and depths with times and operations as shares of those of the deepest.
struct Series {
    name: String,
    points: Vec<(usize, f64, f64)>,
}

pub fn report(device: &Device, picture: Option<&str>) {
    let mut all = Vec::new();
    for (name, size) in [("tiny", Size::TINY), ("middle", Size::MIDDLE)] {
        let own = series(format!("{name}, unique layers"), size, device, |depth| depth);
        let shared = |depth: usize| depth.min(SHARED);
        let virtual_depth = series(format!("{name}, {SHARED} shared layers"), size, device, shared);
        all.extend([own, virtual_depth]);
    }
    if let Some(file) = picture {
        std::fs::write(file, draw(&all)).expect("the picture can be written");
    }
}

/// Steps at all depths take turns, each with as many unique layers as `unique` says.
fn series(name: String, size: Size, device: &Device, unique: impl Fn(usize) -> usize) -> Series {
    let run = |depth: usize| {
        let schedule = stages(unique(depth), depth);
        let plan = Plan::new(10_000).with_schedule(schedule).with_sampler(ConstantHigh);
        (size.with_layers(depth).apollo(plan, device), adamw(), Vec::new())
    };
    let mut runs: Vec<_> = DEPTHS.map(run).into();
    for round in 0..ROUNDS + 2 {
        for (apollo, optim, times) in &mut runs {
            let (time, _) = timed(|| size.step(apollo, optim, device));
            if round >= 2 {
                times.push(time);
            }
        }
    }
    let times: Vec<f64> = runs.into_iter().map(|(_, _, times)| median(times)).collect();
    let (fixed, slope) = line(&times);
    println!(
        "{name}: {:.1} ms and {:.2} ms for each layer of depth; the fixed part is {:.1} % of the time of 12 layers and {:.1} % \
         of their operations",
        fixed * 1e3,
        slope * 1e3,
        fixed / (fixed + 12.0 * slope) * 100.0,
        size.cost().training(&[0]) / size.cost().training(&[12]) * 100.0
    );
    let (deepest, most) = (times[DEPTHS.len() - 1], size.cost().training(&[12]));
    let point = |(depth, time): (usize, &f64)| {
        (depth, time / deepest, size.cost().training(&[depth]) / most)
    };
    let points: Vec<_> = DEPTHS.into_iter().zip(&times).map(point).collect();
    for (depth, time, operations) in &points {
        println!("    depth {depth:>2}: time {time:.3}, operations {operations:.3} of those of 12");
    }
    Series { name, points }
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
    for (series, color) in all.iter().zip(COLORS) {
        let points = series.points.iter().map(|(depth, time, _)| (*depth as f64, *time));
        let line = LinePlot::new().with_data(points).with_color(color).with_stroke_width(2.0);
        plots.push(Plot::Line(line.with_legend(&series.name)));
    }
    if let Some(series) = all.last() {
        let points = series.points.iter().map(|(depth, _, share)| (*depth as f64, *share));
        let line = LinePlot::new().with_data(points).with_color("#000000").with_stroke_width(1.5);
        let line = line.with_line_style(LineStyle::Dashed).with_legend("operations, middle");
        plots.push(Plot::Line(line));
    }
    let layout = Layout::auto_from_plots(&plots)
        .with_x_label("depth of the step")
        .with_y_label("share of a step at depth 12");
    render_to_svg(plots, layout)
}
