//! Images of digits: the training part in shuffled epochs, the last third for validation.

use std::path::Path;

use apollo_examples::{Failure, regular, usage};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_apollo::data::permutation;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Pixels along a side.
pub const SIDE: usize = 8;
pub const PIXELS: usize = SIDE * SIDE;
pub const CLASSES: usize = 10;
/// The value of a pixel that is all ink.
pub const INK: u8 = 16;

/// An image row by row, and its digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    pub pixels: [u8; PIXELS],
    pub digit: u8,
}

/// Images of which the last third is for validation. The packed file goes from writer to writer, so that (but for
/// the writer at the cut) its validation is by people whose hand the model has never seen.
#[derive(Debug)]
pub struct Images {
    images: Vec<Image>,
    train: usize,
}

/// Pixels from 0 to 1, `[images, pixels]`, and digits `[images]`.
#[derive(Clone, Debug)]
pub struct Batch {
    pub pixels: Tensor<2>,
    pub digits: Tensor<1, Int>,
}

impl Images {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = regular(path)
            .and_then(|_| std::fs::read_to_string(path))
            .map_err(|e| usage(format!("--data {}: cannot be read: {e}", path.display())))?;
        Self::parse(&text).map_err(|e| usage(format!("--data {}: {e}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let rows = (1..).zip(text.lines());
        let images: Vec<Image> = rows
            .map(|(line, row)| Image::parse(row).map_err(|e| format!("line {line}: {e}")))
            .collect::<Result<_, _>>()?;
        let held = images.len() / 3;
        match held {
            0 => Err(format!("{} images are too few: at least 3 are needed", images.len())),
            _ => Ok(Self { train: images.len() - held, images }),
        }
    }

    /// A checksum by which a resumed run knows its images.
    pub fn checksum(&self) -> u32 {
        let mut hash = crc32fast::Hasher::new();
        for image in &self.images {
            hash.update(&image.pixels);
            hash.update(&[image.digit]);
        }
        hash.finalize()
    }

    pub fn training(&self) -> &[Image] {
        &self.images[..self.train]
    }

    pub fn validation(&self) -> &[Image] {
        &self.images[self.train..]
    }

    /// The training images of micro-batch `number`, each shifted by up to `shift` pixels: a function of the
    /// arguments alone. Every image comes once an epoch.
    pub fn shuffled(&self, seed: u64, number: u64, rows: usize, shift: usize) -> Vec<Image> {
        let (len, mut at) = (self.train as u64, number * rows as u64);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let mut images = Vec::with_capacity(rows);
        while images.len() < rows {
            let order = permutation(self.train, seed, at / len);
            let rest = &order[(at % len) as usize..];
            let taken = rest.len().min(rows - images.len());
            images.extend(rest[..taken].iter().map(|i| {
                let mut by = || rng.random_range(-(shift as i32)..=shift as i32);
                self.images[*i].shifted(by(), by())
            }));
            at += taken as u64;
        }
        images
    }
}

impl Image {
    fn parse(row: &str) -> Result<Self, String> {
        let values = row.split(',').count();
        if values != PIXELS + 1 {
            return Err(format!("{values} values instead of {PIXELS} pixels and a digit"));
        }
        let mut fields = row.split(',').map(str::trim);
        let mut image = Self { pixels: [0; PIXELS], digit: 0 };
        for (pixel, field) in image.pixels.iter_mut().zip(&mut fields) {
            *pixel = field.parse().ok().filter(|ink| *ink <= INK).ok_or_else(|| {
                format!("`{field}` is not a pixel, which is a whole number from 0 to {INK}")
            })?;
        }
        let digit = fields.next().unwrap_or_default();
        image.digit = digit
            .parse()
            .ok()
            .filter(|digit| usize::from(*digit) < CLASSES)
            .ok_or_else(|| format!("`{digit}` is not a digit from 0 to 9"))?;
        Ok(image)
    }

    /// The image moved `right` and `down`, with paper coming in.
    fn shifted(&self, right: i32, down: i32) -> Self {
        let side = SIDE as i32;
        let mut pixels = [0; PIXELS];
        for (i, pixel) in (0..).zip(&mut pixels) {
            let (row, column) = (i / side - down, i % side - right);
            if (0..side).contains(&row) && (0..side).contains(&column) {
                *pixel = self.pixels[(row * side + column) as usize];
            }
        }
        Self { pixels, ..*self }
    }
}

impl Batch {
    pub fn new(images: &[Image], device: &Device) -> Self {
        let ink = |pixel: &u8| f32::from(*pixel) / f32::from(INK);
        let pixels: Vec<f32> = images.iter().flat_map(|i| i.pixels.iter().map(ink)).collect();
        let digits: Vec<i32> = images.iter().map(|i| i32::from(i.digit)).collect();
        Self {
            pixels: Tensor::from_data(TensorData::new(pixels, [images.len(), PIXELS]), device),
            digits: Tensor::from_data(TensorData::new(digits, [images.len()]), device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pixel: &str, digit: &str) -> String {
        format!("{}{pixel},{digit}", "0,".repeat(PIXELS - 1))
    }

    #[test]
    fn rows_are_pixels_and_a_digit() {
        let text = [row("16", "3"), row(" 7", "0\r"), row("0", "9")].join("\n") + "\n";
        let images = Images::parse(&text).unwrap();
        let digits: Vec<u8> = images.images.iter().map(|i| i.digit).collect();
        assert_eq!(
            (images.training().len(), images.validation().len(), digits),
            (2, 1, vec![3, 0, 9])
        );
        assert_eq!(images.images[1].pixels[PIXELS - 2..], [0, 7]);
    }

    #[test]
    fn a_bad_row_is_named() {
        let cases = [
            (row("17", "3"), "line 2: `17` is not a pixel"),
            (row("-1", "3"), "line 2: `-1` is not a pixel"),
            (row("1.5", "3"), "line 2: `1.5` is not a pixel"),
            (row("", "3"), "line 2: `` is not a pixel"),
            (row("1", "10"), "line 2: `10` is not a digit"),
            (row("1", "three"), "line 2: `three` is not a digit"),
            (row("1,1", "3"), "line 2: 66 values"),
            (String::new(), "line 2: 1 values"),
        ];
        for (bad, words) in cases {
            let text = [row("1", "3"), bad, row("1", "3")].join("\n");
            let error = Images::parse(&text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(Images::parse("").unwrap_err().contains("0 images are too few"));
    }

    /// Images that are told apart by their first pixel.
    fn numbered(count: u8) -> Images {
        let image = |i: u8| {
            let mut pixels = [0; PIXELS];
            pixels[0] = i;
            Image { pixels, digit: 0 }
        };
        Images { images: (0..count).map(image).collect(), train: count.into() }
    }

    #[test]
    fn every_image_comes_once_an_epoch() {
        let images = numbered(15);
        let mut seen: Vec<u8> =
            (0..5).flat_map(|n| images.shuffled(1, n, 6, 0)).map(|i| i.pixels[0]).collect();
        assert_ne!(seen[..15], seen[15..], "another order in the second epoch");
        seen[..15].sort_unstable();
        seen[15..].sort_unstable();
        let all: Vec<u8> = (0..15).chain(0..15).collect();
        assert_eq!(seen, all);
        assert_eq!(images.shuffled(1, 0, 40, 2).len(), 40, "a batch may be longer than an epoch");
        assert_eq!(images.shuffled(1, 3, 6, 2), images.shuffled(1, 3, 6, 2));
        assert_ne!(images.shuffled(1, 3, 6, 2), images.shuffled(2, 3, 6, 2));
    }

    #[test]
    fn a_shift_moves_ink_and_lets_paper_in() {
        let image = Image { pixels: std::array::from_fn(|i| i as u8), digit: 4 };
        assert_eq!(image.shifted(0, 0), image);
        let moved = image.shifted(1, -1);
        assert_eq!(moved.pixels[..9], [0, 8, 9, 10, 11, 12, 13, 14, 0]);
        assert_eq!(moved.pixels[PIXELS - SIDE..], [0; SIDE]);
        assert_eq!(moved.digit, 4);
    }
}
