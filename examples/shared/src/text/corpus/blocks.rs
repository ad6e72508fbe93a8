//! A text in blocks, for tokenizers that take a whole string.
//!
//! A block ends with the first line that ends [`LEAST`] bytes or more after the block's beginning; where there is no
//! such line within [`MOST`] bytes, before the character that would reach beyond them. So the blocks follow from the
//! text alone, however it is read. A token never crosses the end of a block: a border between two lines, where the
//! usual tokenizers do not join tokens except within a run of blank lines.

use std::io::Read;

pub const LEAST: usize = 1 << 16;
pub const MOST: usize = 1 << 17;

/// The blocks of what a reader gives.
pub struct Blocks<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::with_capacity(MOST + 1) }
    }

    /// Holds the byte after the longest possible block too, if there is one.
    fn fill(&mut self) -> std::io::Result<()> {
        let missing = (MOST + 1 - self.buffer.len()) as u64;
        self.reader.by_ref().take(missing).read_to_end(&mut self.buffer)?;
        Ok(())
    }
}

/// The length of the block at the beginning of `text`, which goes beyond [`MOST`] unless it is all that is left.
fn length(text: &[u8]) -> usize {
    let line_end = text.iter().take(MOST).skip(LEAST - 1).position(|byte| *byte == b'\n');
    let inside_a_character = |at: &usize| text[*at] & 0b1100_0000 == 0b1000_0000;
    match line_end {
        Some(at) => LEAST + at,
        None if text.len() <= MOST => text.len(),
        // A character has four bytes at most.
        None => (MOST - 3..=MOST).rev().find(|at| !inside_a_character(at)).unwrap_or(MOST),
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = std::io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            return Some(Err(error));
        }
        if self.buffer.is_empty() {
            return None;
        }
        let rest = self.buffer.split_off(length(&self.buffer));
        Some(Ok(std::mem::replace(&mut self.buffer, rest)))
    }
}
