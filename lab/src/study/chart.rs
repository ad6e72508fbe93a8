//! Pictures of a comparison.

use plotters::prelude::*;

use super::comparison::Comparison;

/// Told apart by the colour-blind too (Okabe & Ito 2008).
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 0, 0),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

type Any = Box<dyn std::error::Error + Send + Sync>;

/// Loss against operations, a line for each recipe with each optimizer.
pub(super) fn losses(comparison: &Comparison) -> Result<String, Any> {
    let points = || comparison.entries.iter().flat_map(|entry| entry.curve.iter().copied());
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = points().map(|point| of(&point)).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let mut svg = String::new();
    if points().next().is_none() {
        return Ok(svg);
    }
    let ((left, right), (low, high)) = (range(|p| p.0), range(|p| p.1));
    let margin = (0.05 * (high - low)).max(1e-6);
    {
        let area = SVGBackend::with_string(&mut svg, (900, 560)).into_drawing_area();
        area.fill(&WHITE).map_err(text)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(0.9 * left..right + 0.1 * left, low - margin..high + margin)
            .map_err(text)?;
        chart
            .configure_mesh()
            .x_desc("operations of training (FLOPs)")
            .y_desc("loss of the full model on held-out data")
            .x_label_formatter(&|x| format!("{x:.1e}"))
            .disable_x_mesh()
            .light_line_style(WHITE)
            .draw()
            .map_err(text)?;
        for (i, entry) in comparison.entries.iter().enumerate() {
            let color = COLORS[i % COLORS.len()];
            let name = format!("{} ({})", entry.recipe, entry.optimizer.name());
            chart
                .draw_series(LineSeries::new(entry.curve.iter().copied(), color.stroke_width(2)))
                .map_err(text)?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2))
                });
            let dots = entry.curve.iter().map(|point| Circle::new(*point, 3, color.filled()));
            chart.draw_series(dots).map_err(text)?;
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(text)?;
        area.present().map_err(text)?;
    }
    Ok(svg)
}

fn text(error: impl std::fmt::Display) -> Any {
    error.to_string().into()
}
