//! Draws the book's pictures: `cargo run -p apollo-examples-book [FOLDER]`, by default into `docs/pictures`.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let pictures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pictures");
    let folder = std::env::args_os().nth(1).map_or_else(|| pictures.into(), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    for drawing in book::all()? {
        std::fs::write(folder.join(format!("{}.svg", drawing.name)), drawing.svg)?;
    }
    Ok(())
}
