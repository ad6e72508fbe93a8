//! What the tokens of a text do not tell of it.

use std::path::Path;

use crate::{Failure, usage};

/// From this share on it is said, and from that one on refused unless asked for.
const SAID: f64 = 0.01;
const REFUSED: f64 = 0.5;
/// Characters of an example.
const EXAMPLE: usize = 40;

/// Counts over a text.
#[derive(Debug, Default)]
pub struct Lost {
    tokens: u64,
    unknown: u64,
    bytes: u64,
    unknown_bytes: u64,
    dropped_bytes: u64,
    example: Option<String>,
}

/// A part of a text that was made tokens on its own.
pub struct Part<'a> {
    pub text: &'a str,
    /// Bytes of what the tokenizer made of it before.
    pub normal: usize,
    pub tokens: usize,
    /// Tokens that stand for anything.
    pub unknown: usize,
    /// Bytes of `normal` that these stand for, and those that any token does.
    pub unknown_bytes: usize,
    pub told_bytes: usize,
}

impl Lost {
    pub fn count(&mut self, part: &Part<'_>) {
        let dropped = part.normal.saturating_sub(part.told_bytes);
        let of_text = |normal: usize| (normal * part.text.len() / part.normal.max(1)) as u64;
        self.tokens += part.tokens as u64;
        self.unknown += part.unknown as u64;
        self.bytes += part.text.len() as u64;
        self.unknown_bytes += of_text(part.unknown_bytes);
        self.dropped_bytes += of_text(dropped);
        if self.example.is_none() && (part.unknown > 0 || dropped > 0) {
            self.example = Some(part.text.chars().take(EXAMPLE).collect());
        }
    }

    pub fn add(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.unknown += other.unknown;
        self.bytes += other.bytes;
        self.unknown_bytes += other.unknown_bytes;
        self.dropped_bytes += other.dropped_bytes;
        self.example = self.example.take().or(other.example);
    }

    /// What to say of a text made tokens with the `tokenizer`; refuses what has lost too much, unless that is `allowed`.
    pub fn notice(&self, tokenizer: &Path, allowed: bool) -> Result<Option<String>, Failure> {
        let share = |part: u64, of: u64| part as f64 / of.max(1) as f64;
        let lost = share(self.unknown_bytes + self.dropped_bytes, self.bytes);
        let unknown = share(self.unknown, self.tokens);
        let words = format!(
            "{}: does not know the text: {:.1} % of the tokens are unknown, for {:.1} % of the bytes; {} bytes are dropped \
             without a token; such as {:?}",
            tokenizer.display(),
            100.0 * unknown,
            100.0 * share(self.unknown_bytes, self.bytes),
            self.dropped_bytes,
            self.example.as_deref().unwrap_or_default(),
        );
        match lost.max(unknown) {
            most if most > REFUSED && !allowed => {
                Err(usage(format!("{words}; take another --vocabulary, or --allow-unknown")))
            }
            most if most > SAID || self.dropped_bytes > 0 => Ok(Some(words)),
            _ => Ok(None),
        }
    }
}
