//! The distributions of the virtual depth.

use burn_apollo::depth::{DepthSampler, Lvps, Sigmoid, Uniform};
use kuva::prelude::*;

use super::Result;
use super::look::{COLORS, entry, figure, line, marks, panel};

const TARGET: usize = 12;

pub fn draw() -> Result<String> {
    let samplers: [(&str, &dyn DepthSampler); 3] =
        [("LVPS", &Lvps::default()), ("uniform", &Uniform), ("sigmoid", &Sigmoid)];
    let mut panels = Vec::new();
    for unique in [1, 3, 6] {
        let mut plots = Vec::new();
        for ((_, sampler), color) in samplers.iter().zip(COLORS) {
            let pmf = sampler.pmf(unique, TARGET)?;
            let points: Vec<_> = pmf.iter().map(|(depth, p)| (depth as f64, p)).collect();
            plots.extend([Plot::Line(line(points.clone(), color)), marks(points, color)]);
        }
        let title = match unique {
            1 => "1 unique layer".to_owned(),
            unique => format!("{unique} unique layers"),
        };
        let layout = panel(&plots, &title, ("virtual depth", "probability"));
        let layout = layout
            .with_x_axis_min(0.0)
            .with_x_axis_max(TARGET as f64 + 1.0)
            .with_x_tick_step(3.0)
            .with_y_axis_min(0.0)
            .with_y_axis_max(0.8);
        panels.push((plots, layout));
    }
    let legend = samplers.iter().zip(COLORS);
    let legend = legend.map(|((name, _), color)| entry(name, color, LegendShape::Line)).collect();
    Ok(figure(3, panels, legend, (300.0, 270.0)))
}
