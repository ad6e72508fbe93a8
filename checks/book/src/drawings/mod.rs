//! The pictures, each made by what it shows.

mod cost;
mod depths;
mod look;
mod maps;
mod moments;
mod policies;
mod rates;
mod stages;

use std::error::Error;

/// A picture of the book.
pub struct Drawing {
    /// The file's name without its ending.
    pub name: &'static str,
    /// The picture.
    pub svg: String,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// All pictures of the book.
///
/// # Errors
///
/// Where the library refuses what is to be drawn.
pub fn all() -> Result<Vec<Drawing>> {
    let drawings = [
        ("depths", depths::draw()?),
        ("maps", maps::draw()?),
        ("moments", moments::draw()?),
        ("stages", stages::draw()?),
        ("rates", rates::draw()?),
        ("plateau", policies::draw()?),
        ("cost", cost::draw()?),
    ];
    let drawings = drawings.into_iter();
    Ok(drawings.map(|(name, svg)| Drawing { name, svg: with_view_box(&svg) }).collect())
}

/// A picture that can be made smaller as a whole: kuva says how large it is, but not what of it is to be seen.
fn with_view_box(svg: &str) -> String {
    let size = |name: &str| svg.split_once(name)?.1.split('"').next();
    match (size(" width=\""), size(" height=\"")) {
        (Some(width), Some(height)) if !svg.contains("viewBox") => {
            svg.replacen("<svg ", &format!("<svg viewBox=\"0 0 {width} {height}\" "), 1)
        }
        _ => svg.to_owned(),
    }
}
