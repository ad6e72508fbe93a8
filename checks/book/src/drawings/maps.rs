//! Layer maps: which layers come from which.

use burn_apollo::expand::{Expander, Interpolation, LayerMap, MiddleStacking, Stacking};
use kuva::prelude::*;
use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::Result;

/// Of the three first layers.
const FILLS: [&str; 3] = ["#9ecae1", "#fdbb84", "#a1d99b"];
const CELL: f64 = 38.0;
const GAP: f64 = 14.0;
const LEFT: f64 = 100.0;
const TOP: f64 = 34.0;

pub fn draw() -> Result<String> {
    let middle = MiddleStacking::new(3)?;
    let growths: [(&str, &dyn Expander, &[usize]); 3] = [
        ("Interpolation: every copy beside its source", &Interpolation, &[3, 6, 12]),
        ("Stacking: the whole stack again, on top", &Stacking, &[3, 6, 12]),
        ("Middle stacking, blocks of 3: the middle block again", &middle, &[3, 6, 9, 12]),
    ];
    let rows: usize = growths.iter().map(|(.., stages)| stages.len()).sum();
    let height = growths.len() as f64 * (TOP + GAP) + rows as f64 * (CELL + GAP);
    let mut scene = Scene::new(LEFT + CELL * 12.0 + 20.0, height);
    scene.font_family = Some("DejaVu Sans, Liberation Sans, Arial, sans-serif".to_owned());
    let mut top = 0.0;
    for (title, expander, stages) in growths {
        scene.add(text(12.0, top + 22.0, title, 14, TextAnchor::Start, true));
        draw_stages(&mut scene, top + TOP, expander, stages)?;
        top += TOP + GAP + stages.len() as f64 * (CELL + GAP);
    }
    Ok(SvgBackend.render_scene(&scene))
}

/// The layers of all stages by one expander, from `top` down.
fn draw_stages(
    scene: &mut Scene,
    top: f64,
    expander: &dyn Expander,
    stages: &[usize],
) -> Result<()> {
    let mut first: Vec<usize> = (0..stages[0]).collect();
    for (stage, layers) in stages.iter().copied().enumerate() {
        let y = top + stage as f64 * (CELL + GAP);
        let map = match stage.checked_sub(1) {
            None => LayerMap::identity(layers),
            Some(before) => expander.map(stages[before], layers)?,
        };
        first = map.as_slice().iter().map(|source| first[*source]).collect();
        let label = format!("{layers} layers");
        scene.add(text(LEFT - 12.0, y + CELL / 2.0 + 3.0, &label, 13, TextAnchor::End, false));
        for (layer, source) in map.as_slice().iter().enumerate() {
            let x = LEFT + CELL * layer as f64;
            let is_new = !map.is_first_copy(layer);
            scene.add(cell(x, y, FILLS[first[layer]], is_new));
            let at = (x + CELL / 2.0 - 2.0, y + CELL / 2.0 + 3.0);
            scene.add(text(at.0, at.1, &source.to_string(), 13, TextAnchor::Middle, !is_new));
        }
    }
    Ok(())
}

fn cell(x: f64, y: f64, fill: &str, is_new: bool) -> Primitive {
    Primitive::Rect {
        x,
        y,
        width: CELL - 4.0,
        height: CELL - 4.0,
        fill: Color::from(fill),
        stroke: Some(Color::from("#222222")),
        stroke_width: Some(if is_new { 0.4 } else { 2.4 }),
        opacity: Some(1.0),
    }
}

fn text(x: f64, y: f64, content: &str, size: u32, anchor: TextAnchor, bold: bool) -> Primitive {
    let content = content.to_owned();
    Primitive::Text { x, y, content, size, anchor, rotate: None, bold, color: None }
}
