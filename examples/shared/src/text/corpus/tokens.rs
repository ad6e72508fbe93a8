//! Tokens on disk, read window by window: the memory they take does not depend on their number.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use burn_pack::AtomicFile;

use super::header::{BYTES, Header, LENGTH, MAGIC, TokensError, width};
use crate::regular;

/// Bytes that are read at once where a whole file is read.
pub const CHUNK: usize = 1 << 20;

/// The tokens of a token file, or the bytes of any other file.
#[derive(Debug)]
pub struct Tokens {
    file: File,
    header: Header,
    /// Where the first token begins.
    first: u64,
}

impl Tokens {
    /// Opens a file: a token file if it begins as one, else a text whose tokens are its bytes.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let length = regular(path)?;
        let mut file = File::open(path)?;
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(LENGTH as u64).read_to_end(&mut start)?;
        if start.starts_with(&MAGIC) {
            let header = Header::parse(&start, length)?;
            return Ok(Self { file, header, first: LENGTH as u64 });
        }
        file.seek(SeekFrom::Start(0))?;
        let (source_bytes, checksum) = length_and_checksum(&mut file)?;
        let (vocabulary, tokens) = (BYTES, source_bytes);
        let vocabulary_checksum = None;
        let header = Header { vocabulary, tokens, source_bytes, checksum, vocabulary_checksum };
        Ok(Self { file, header, first: 0 })
    }

    /// Whether a file begins as a token file does.
    pub fn are_in(path: &Path) -> std::io::Result<bool> {
        let mut start = Vec::new();
        File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
        Ok(start == MAGIC)
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The `len` tokens from `start` on, which must be within the file.
    pub fn read(&self, start: u64, len: usize) -> Result<Vec<i32>, TokensError> {
        let width = width(self.header.vocabulary);
        let mut bytes = vec![0; len * width];
        read_exact_at(&self.file, &mut bytes, self.first + start * width as u64)?;
        let ids = bytes
            .chunks_exact(width)
            .map(|bytes| bytes.iter().rev().fold(0, |id: u32, byte| id << 8 | u32::from(*byte)));
        (start..)
            .zip(ids)
            .map(|(index, id)| match (id as usize) < self.header.vocabulary {
                true => Ok(id as i32),
                false => {
                    let vocabulary = self.header.vocabulary;
                    Err(TokensError::Token { index, found: id, vocabulary })
                }
            })
            .collect()
    }
}

/// CRC-32 of files one after the other.
pub fn checksum<P: AsRef<Path>>(paths: &[P]) -> std::io::Result<u32> {
    let mut all: Box<dyn Read> = Box::new(std::io::empty());
    for path in paths {
        regular(path.as_ref())?;
        all = Box::new(all.chain(File::open(path)?));
    }
    length_and_checksum(&mut all).map(|(_, checksum)| checksum)
}

/// Length and CRC-32 of what is left of `file`.
fn length_and_checksum(file: &mut impl Read) -> std::io::Result<(u64, u32)> {
    let (mut hasher, mut buffer, mut length) = (crc32fast::Hasher::new(), vec![0; CHUNK], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((length, hasher.finalize())),
            read => {
                hasher.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                at += read as u64;
            }
        }
    }
    Ok(())
}

/// A token file that becomes visible when it is complete.
pub struct TokenWriter {
    scratch: AtomicFile,
    file: File,
    header: Header,
    checksum: crc32fast::Hasher,
}

impl TokenWriter {
    /// For tokens of a vocabulary of this size; the checksum is that of its `tokenizer.json`, none for bytes.
    pub fn create(
        path: &Path,
        vocabulary: usize,
        vocabulary_checksum: Option<u32>,
    ) -> Result<Self, burn_pack::Error> {
        let (scratch, mut file) = AtomicFile::create(path)?;
        file.write_all(&[0; LENGTH]).map_err(io)?;
        let header =
            Header { vocabulary, tokens: 0, source_bytes: 0, checksum: 0, vocabulary_checksum };
        Ok(Self { scratch, file, header, checksum: crc32fast::Hasher::new() })
    }

    /// Writes some tokens at once: many, for each call writes to the file.
    pub fn write(&mut self, ids: impl IntoIterator<Item = u32>) -> Result<(), burn_pack::Error> {
        let width = width(self.header.vocabulary);
        let bytes: Vec<u8> =
            ids.into_iter().flat_map(|id| id.to_le_bytes().into_iter().take(width)).collect();
        self.checksum.update(&bytes);
        self.header.tokens += (bytes.len() / width) as u64;
        self.file.write_all(&bytes).map_err(io)
    }

    /// Completes the file of a text of so many bytes.
    pub fn finish(mut self, source_bytes: u64) -> Result<Header, burn_pack::Error> {
        let header = Header { source_bytes, checksum: self.checksum.finalize(), ..self.header };
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        self.file.write_all(&header.to_bytes()).map_err(io)?;
        self.file.sync_all().map_err(io)?;
        self.scratch.commit()?;
        Ok(header)
    }
}

fn io(error: std::io::Error) -> burn_pack::Error {
    burn_pack::Error::IoError(error.to_string())
}
