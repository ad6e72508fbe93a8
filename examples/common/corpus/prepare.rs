//! `--prepare`: a text becomes a token file, once.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Vocabulary;
use super::blocks::Blocks;
use super::header::{BYTES, Header, MOST_TOKENS};
use super::learn::learn;
use super::tokens::{TokenWriter, Tokens};
use crate::common::{Failure, run_error, usage};

/// Making a token file.
#[derive(Args, Debug)]
pub struct PrepareOptions {
    /// Write the text of --data to this file as tokens and train nothing; --data takes the file afterwards
    #[arg(long, value_name = "FILE")]
    pub prepare: Option<PathBuf>,
    /// Tokens of the text: its bytes, so many sub-words learned from it, or those of a tokenizer.json. Without --prepare,
    /// sub-words are written into the output folder first
    #[arg(long, value_name = "bytes|N|FILE", default_value = "bytes", value_parser = choice)]
    pub vocabulary: Choice,
}

/// What the tokens shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Bytes,
    Learn(usize),
    Tokenizer(PathBuf),
}

fn choice(text: &str) -> Result<Choice, String> {
    match text {
        "bytes" => Ok(Choice::Bytes),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => match number.parse() {
            Ok(size) if (BYTES..=MOST_TOKENS).contains(&size) => Ok(Choice::Learn(size)),
            _ => Err(format!("must be from {BYTES} to {MOST_TOKENS} sub-words")),
        },
        file => Ok(Choice::Tokenizer(file.into())),
    }
}

/// What training reads: `data` itself, or a token file in `dir` that is made of it if it is not there yet.
pub fn tokens_in(
    dir: &Path,
    data: &Path,
    choice: &Choice,
    special: &[&str],
) -> Result<PathBuf, Failure> {
    let vocabulary = match choice {
        Choice::Bytes => return Ok(data.to_owned()),
        Choice::Learn(size) => format!("{size}{}", special.concat()),
        Choice::Tokenizer(file) => {
            Vocabulary::read(file)?.checksum().map_or_else(String::new, |sum| format!("{sum:08x}"))
        }
    };
    let text = Tokens::open(data).map_err(|e| usage(format!("--data {}: {e}", data.display())))?;
    // By what it is made of, so that a file that is there is the right one.
    let text = text.header().source_checksum;
    let to = dir.join(format!("tokens-{text:08x}-{vocabulary}"));
    let there =
        Tokens::open(&to).is_ok_and(|tokens| Vocabulary::beside(&to, tokens.header()).is_ok());
    if !there {
        let failed = |e| usage(format!("--out {}: cannot be made: {e}", dir.display()));
        std::fs::create_dir_all(dir).map_err(failed)?;
        prepare(data, &to, choice, special, true)?;
    }
    Ok(to)
}

/// Blocks that are tokenised at once, on all cores.
const AT_ONCE: usize = 32;

/// Writes the text in `data` to the token file `to`. A vocabulary that is learned has the `special` tokens too, which
/// stand for no text.
pub fn prepare(
    data: &Path,
    to: &Path,
    choice: &Choice,
    special: &[&str],
    overwrite: bool,
) -> Result<(), Failure> {
    check(data, to, overwrite)?;
    let vocabulary = match choice {
        Choice::Bytes => Vocabulary::Bytes,
        Choice::Tokenizer(file) => Vocabulary::read(file)?,
        Choice::Learn(size) => {
            println!("learning {size} sub-words from {}", data.display());
            learn(data, *size, special)?
        }
    };
    let failed = |e| run_error(format!("--prepare {}: {e}", to.display()));
    if let Some(path) = vocabulary.save_beside(to).map_err(failed)? {
        println!("written: {}", path.display());
    }
    let mut writer =
        TokenWriter::create(to, vocabulary.size(), vocabulary.checksum()).map_err(failed)?;
    let (bytes, checksum) = write(data, to, &vocabulary, &mut writer)?;
    let header: Header = writer.finish(bytes, checksum).map_err(failed)?;
    println!(
        "written: {}: {bytes} bytes of text as {} tokens of a vocabulary of {}",
        to.display(),
        header.tokens,
        header.vocabulary
    );
    Ok(())
}

fn check(data: &Path, to: &Path, overwrite: bool) -> Result<(), Failure> {
    let holds_tokens = Tokens::are_in(data).map_err(|e| read_failed(data, &e))?;
    let refused = |why: &str| Err(usage(format!("--prepare {}: {why}", to.display())));
    match to.metadata() {
        _ if holds_tokens => Err(usage(format!("--data {}: holds tokens already", data.display()))),
        Ok(about) if about.is_dir() => refused("is a folder; name a file"),
        Ok(_) if data.canonicalize().ok() == to.canonicalize().ok() => {
            refused("is --data itself; name another file")
        }
        Ok(_) if !overwrite => refused("exists; replace it with --overwrite, or name another file"),
        _ => Ok(()),
    }
}

/// Writes the tokens of a text; gives its length and CRC-32. What is not UTF-8 becomes U+FFFD for sub-words, with a
/// notice.
fn write(
    data: &Path,
    to: &Path,
    vocabulary: &Vocabulary,
    writer: &mut TokenWriter,
) -> Result<(u64, u32), Failure> {
    let failed = |e| run_error(format!("--prepare {}: {e}", to.display()));
    let file = File::open(data).map_err(|e| read_failed(data, &e))?;
    let length = file.metadata().map_err(|e| read_failed(data, &e))?.len();
    let (mut blocks, mut progress) = (Blocks::new(file), Progress::new(length));
    let (mut read, mut not_text, mut checksum) = (0, 0, crc32fast::Hasher::new());
    loop {
        let some = blocks.by_ref().take(AT_ONCE).collect::<Result<Vec<_>, _>>();
        let some = some.map_err(|e| read_failed(data, &e))?;
        if some.is_empty() {
            progress.bar.finish_and_clear();
            if not_text > 0 {
                println!("{not_text} bytes of the text are not UTF-8 and became U+FFFD");
            }
            return Ok((read, checksum.finalize()));
        }
        let mut texts = Vec::new();
        for block in some {
            checksum.update(&block);
            read += block.len() as u64;
            match vocabulary {
                Vocabulary::Bytes => {
                    writer.write(block.into_iter().map(u32::from)).map_err(failed)?
                }
                Vocabulary::SubWords(_) => {
                    let invalid = block.utf8_chunks().map(|chunk| chunk.invalid().len());
                    not_text += invalid.sum::<usize>();
                    texts.push(String::from_utf8_lossy(&block).into_owned());
                }
            }
        }
        for ids in vocabulary.encode_all(texts).map_err(run_error)? {
            writer.write(ids).map_err(failed)?;
        }
        progress.show(read);
    }
}

/// A bar on a terminal, a line every tenth elsewhere; texts of one glance have none.
struct Progress {
    bar: ProgressBar,
    next_line: u64,
}

impl Progress {
    fn new(length: u64) -> Self {
        let style = ProgressStyle::with_template(
            "{bar:24} {bytes}/{total_bytes} tokenised, {bytes_per_sec}, {eta} left",
        );
        let style = style.expect("the template is well formed");
        let next_line = (length / 10).max(1 << 22);
        Self { bar: ProgressBar::new(length).with_style(style), next_line }
    }

    fn show(&mut self, read: u64) {
        self.bar.set_position(read);
        if self.bar.is_hidden() && read >= self.next_line {
            println!("tokenised {read} of {} bytes", self.bar.length().unwrap_or(0));
            self.next_line += (self.bar.length().unwrap_or(0) / 10).max(1 << 22);
        }
    }
}

pub fn read_failed(data: &Path, error: &std::io::Error) -> Failure {
    usage(format!("--data {}: cannot be read: {error}", data.display()))
}
