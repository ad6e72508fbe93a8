//! What Adam's state means for the steps after a growth.

use burn_apollo::optim::MomentOrders;
use kuva::prelude::*;

use super::Result;
use super::look::{COLORS, alone, entry, line, panel};

const STEPS: u32 = 3000;
const EVERY: u32 = 10;
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;

pub fn draw() -> Result<String> {
    let orders = MomentOrders::default();
    let order = |field| orders.order(field).ok_or_else(|| format!("{field} has no order"));
    let orders = [order("momentum.moment_1")?, order("momentum.moment_2")?];
    let cases: [(&str, [f64; 2], &str); 4] = [
        ("scaled, any k", [2.0, 2.0], COLORS[2]),
        ("copy, k = 2", [2.0, 1.0], COLORS[5]),
        ("copy, k = 4", [4.0, 1.0], COLORS[0]),
        ("copy, k = 12", [12.0, 1.0], COLORS[1]),
    ];
    let plots = cases.iter().map(|(_, [uses, divisor], color)| {
        let moments = orders.map(|order| (uses / divisor).powi(order as i32));
        Plot::Line(line(sizes(moments), color))
    });
    let plots: Vec<Plot> = plots.collect();
    let legend = cases.iter().map(|(name, _, color)| entry(name, color, LegendShape::Line));
    let layout = panel(&plots, "", ("optimizer steps after the growth", "size of a step"))
        .with_x_axis_min(0.0)
        .with_x_axis_max(f64::from(STEPS))
        .with_y_axis_min(0.0)
        .with_y_axis_max(1.1)
        .with_y_tick_step(0.2);
    Ok(alone(plots, layout, legend.collect(), 330.0))
}

/// Adam's steps, of its learning rate, with these moments and a gradient of 1 from now on.
fn sizes([mut first, mut second]: [f64; 2]) -> Vec<(f64, f64)> {
    let mut sizes = Vec::new();
    for step in 0..=STEPS {
        if step % EVERY == 0 {
            sizes.push((f64::from(step), first / second.sqrt()));
        }
        first = BETA_1 * first + (1.0 - BETA_1);
        second = BETA_2 * second + (1.0 - BETA_2);
    }
    sizes
}
