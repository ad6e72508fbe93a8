//! Digits as text.

use std::fmt::Write;

use crate::data::{INK, Image, SIDE};

/// From paper to ink.
const SHADES: &[u8] = b" .:-=+*#%@";

/// Images side by side, each under its caption.
pub fn row(images: &[(&Image, String)]) -> String {
    let mut text = String::new();
    for (_, caption) in images {
        let _ = write!(text, "{caption:<width$}", width = 2 * SIDE + 3);
    }
    for line in 0..SIDE {
        text.truncate(text.trim_end().len());
        text.push('\n');
        for (image, _) in images {
            for pixel in &image.pixels[line * SIDE..(line + 1) * SIDE] {
                let shade = usize::from(*pixel) * (SHADES.len() - 1) / usize::from(INK);
                let shade = char::from(SHADES[shade]);
                text.extend([shade, shade]);
            }
            text.push_str("   ");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;

    #[test]
    fn images_stand_side_by_side() {
        let mut corner = Image { pixels: [0; PIXELS], digit: 1 };
        corner.pixels[0] = INK;
        let full = Image { pixels: [INK; PIXELS], digit: 8 };
        let text = row(&[(&corner, "a 1".to_owned()), (&full, "an 8".to_owned())]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + SIDE);
        assert_eq!(lines[0], "a 1                an 8");
        assert_eq!(lines[1], format!("@@{}{}", " ".repeat(17), "@".repeat(16)));
        assert_eq!(lines[2], format!("{}{}", " ".repeat(19), "@".repeat(16)));
    }
}
