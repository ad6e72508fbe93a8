use kuva::backend::raster::RasterBackend;
use kuva::prelude::*;
use kuva::render::render::Scene;

/// A part of a report.
pub(super) enum Part {
    /// In Markdown.
    Text(String),
    Picture(Box<Picture>),
}

/// A picture with its words.
pub(super) struct Picture {
    /// The file's name without its ending.
    pub name: &'static str,
    pub title: &'static str,
    /// What is to be seen.
    pub words: String,
    pub scene: Scene,
}

impl Picture {
    pub(super) fn svg(&self) -> String {
        // Several in one page.
        let own = format!("{}-clip-", self.name);
        SvgBackend.render_scene(&self.scene).replace("kuva-clip-", &own)
    }

    /// Of twice the size, for where SVG is not shown.
    pub(super) fn png(&self) -> std::result::Result<Vec<u8>, String> {
        RasterBackend::new().with_scale(2.0).render_scene(&self.scene)
    }
}
