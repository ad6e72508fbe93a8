//! The header of a token file.
//!
//! All numbers are little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | `APOLLOTK` |
//! | 8..10 | version of the format: 1 |
//! | 10..12 | bytes per token: 1, 2 or 4, the fewest that hold the vocabulary |
//! | 12..16 | tokens of the vocabulary |
//! | 16..24 | tokens of the file |
//! | 24..32 | bytes of the text |
//! | 32..36 | CRC-32 of the tokens as they lie in the file |
//! | 36..40 | 0: tokens are bytes; 1: tokens of a `tokenizer.json` |
//! | 40..44 | CRC-32 of that `tokenizer.json`, else 0 |
//! | 44..48 | CRC-32 of the 44 bytes before |
//!
//! The tokens follow, and nothing after them.

use thiserror::Error;

/// A byte-level vocabulary.
pub const BYTES: usize = 256;
/// The largest vocabulary: above all published ones, and a bound for what a damaged header can ask for.
pub const MOST_TOKENS: usize = 1 << 20;

pub const MAGIC: [u8; 8] = *b"APOLLOTK";
pub const LENGTH: usize = 48;
const VERSION: u16 = 1;

/// What a token file says of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub vocabulary: usize,
    pub tokens: u64,
    pub source_bytes: u64,
    /// CRC-32 of the tokens as they lie in the file; opening a file does not look at it.
    pub checksum: u32,
    /// CRC-32 of the `tokenizer.json`; none where tokens are bytes.
    pub vocabulary_checksum: Option<u32>,
}

/// Why a file does not hold the tokens that it should.
#[derive(Debug, Error)]
pub enum TokensError {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("a token file whose header is cut off")]
    ShortHeader,
    #[error("a token file of version {0}; this program reads version {VERSION}")]
    Version(u16),
    #[error("a token file whose header is damaged")]
    HeaderChecksum,
    #[error("a token file with a vocabulary of {0}; it must be from 1 to {MOST_TOKENS}")]
    Vocabulary(u32),
    #[error("a token file of unknown kind {0}")]
    Kind(u32),
    #[error(
        "a token file with {found} bytes per token; a vocabulary of {vocabulary} takes {right}"
    )]
    Width { found: u16, vocabulary: usize, right: usize },
    #[error("a token file of {tokens} tokens must have {} bytes, it has {found}", or_too_many(*.expected))]
    Length { tokens: u64, expected: Option<u64>, found: u64 },
    #[error("token {index} is {found}, beyond the vocabulary of {vocabulary}")]
    Token { index: u64, found: u32, vocabulary: usize },
}

fn or_too_many(bytes: Option<u64>) -> String {
    bytes.map_or("more than any file".to_owned(), |bytes| bytes.to_string())
}

/// The fewest bytes that hold every token of a vocabulary.
pub const fn width(vocabulary: usize) -> usize {
    match vocabulary {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

impl Header {
    pub fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&(width(self.vocabulary) as u16).to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.vocabulary as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.source_bytes.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[36..40].copy_from_slice(&u32::from(self.vocabulary_checksum.is_some()).to_le_bytes());
        bytes[40..44].copy_from_slice(&self.vocabulary_checksum.unwrap_or(0).to_le_bytes());
        let sum = crc32fast::hash(&bytes[..44]);
        bytes[44..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The header of a token file of `length` bytes that begins with `bytes`.
    pub fn parse(bytes: &[u8], length: u64) -> Result<Self, TokensError> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk().ok_or(TokensError::ShortHeader)?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u16_at(8) != VERSION {
            return Err(TokensError::Version(u16_at(8)));
        }
        if u32_at(44) != crc32fast::hash(&bytes[..44]) {
            return Err(TokensError::HeaderChecksum);
        }
        let vocabulary = match u32_at(12) {
            found if (1..=MOST_TOKENS as u32).contains(&found) => found as usize,
            found => return Err(TokensError::Vocabulary(found)),
        };
        let vocabulary_checksum = match u32_at(36) {
            0 if vocabulary == BYTES => None,
            0 => return Err(TokensError::Vocabulary(vocabulary as u32)),
            1 => Some(u32_at(40)),
            kind => return Err(TokensError::Kind(kind)),
        };
        let (found, right) = (u16_at(10), width(vocabulary));
        if usize::from(found) != right {
            return Err(TokensError::Width { found, vocabulary, right });
        }
        let tokens = u64_at(16);
        let expected = tokens.checked_mul(right as u64).and_then(|n| n.checked_add(LENGTH as u64));
        if expected != Some(length) {
            return Err(TokensError::Length { tokens, expected, found: length });
        }
        Ok(Self {
            vocabulary,
            tokens,
            source_bytes: u64_at(24),
            checksum: u32_at(32),
            vocabulary_checksum,
        })
    }
}
