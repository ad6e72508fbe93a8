//! What plans cost as they go.

use burn_apollo::cost::{ModelCost, PlanCost};
use burn_apollo::recipe::{Recipe, Setting};
use kuva::prelude::*;

use super::Result;
use super::look::{COLORS, alone, entry, line, panel};

const STEPS: u64 = 1000;
const TARGET: usize = 12;
const NAMES: [&str; 5] = ["scratch", "apollo", "gradual", "half_zeroed", "one_layer"];

pub fn draw() -> Result<String> {
    let setting = Setting::new(STEPS, &[TARGET]).with_output_projections(["output"]);
    let model = ModelCost::transformer(128, 512, 64, 256);
    let colors = ["#000000"].into_iter().chain(COLORS);
    let (mut plots, mut legend) = (Vec::new(), Vec::new());
    for (name, color) in NAMES.into_iter().zip(colors) {
        let plan = Recipe::by_name(name)?.plan(&setting)?;
        let cost = PlanCost::of(&plan, &[TARGET], &model, 1024)?;
        let mut points = vec![(0.0, 0.0)];
        let mut spent = 0.0;
        for stage in &cost.stages {
            spent += stage.operations;
            points.push((stage.end as f64, 100.0 * spent / cost.from_scratch));
        }
        plots.push(Plot::Line(line(points, color)));
        legend.push(entry(
            &format!("{name}, {:.1} %", 100.0 * cost.share()),
            color,
            LegendShape::Line,
        ));
    }
    let labels = ("optimizer steps", "FLOPs, % of training from scratch");
    let layout = panel(&plots, "", labels)
        .with_x_axis_min(0.0)
        .with_x_axis_max(STEPS as f64)
        .with_y_axis_min(0.0)
        .with_y_axis_max(100.0);
    Ok(alone(plots, layout, legend, 380.0))
}
