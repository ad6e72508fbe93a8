//! How the pictures look.

use kuva::prelude::*;

/// Told apart by the colour-blind too (Okabe & Ito 2008).
pub const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

pub fn line(points: Vec<(f64, f64)>, color: &str) -> LinePlot {
    LinePlot::new().with_data(points).with_color(color).with_stroke_width(2.0)
}

pub fn marks(points: Vec<(f64, f64)>, color: &str) -> Plot {
    Plot::Scatter(ScatterPlot::new().with_data(points).with_color(color).with_size(3.5))
}

pub fn entry(label: &str, color: &str, shape: LegendShape) -> LegendEntry {
    LegendEntry { label: label.to_owned(), color: color.to_owned(), shape, dasharray: None }
}

/// A panel of a figure.
pub fn panel(plots: &[Plot], title: &str, (x, y): (&str, &str)) -> Layout {
    Layout::auto_from_plots(plots)
        .with_title(title)
        .with_title_size(14)
        .with_x_label(x)
        .with_y_label(y)
        .with_label_size(13)
}

/// A picture of one panel, with its legend beside it.
pub fn alone(plots: Vec<Plot>, panel: Layout, legend: Vec<LegendEntry>, height: f64) -> String {
    let layout = panel
        .with_width(760.0)
        .with_height(height)
        .with_legend_box(false)
        .with_legend_entries(legend);
    SvgBackend.render_scene(&render_multiple(plots, layout))
}

/// Panels side by side, with the legend below.
pub fn figure(
    columns: usize,
    panels: Vec<(Vec<Plot>, Layout)>,
    legend: Vec<LegendEntry>,
    (width, height): (f64, f64),
) -> String {
    let rows = panels.len().div_ceil(columns);
    let (plots, layouts) = panels.into_iter().unzip();
    let figure = Figure::new(rows, columns)
        .with_plots(plots)
        .with_layouts(layouts)
        .with_cell_size(width, height)
        .with_shared_legend_bottom()
        .with_shared_legend_entries(legend);
    SvgBackend.render_scene(&figure.render())
}
