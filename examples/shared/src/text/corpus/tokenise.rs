//! From text to tokens, block by block.

use std::fs::File;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::Vocabulary;
use super::blocks::Blocks;
use super::tokens::TokenWriter;
use crate::{Failure, run_error, usage};
use burn_apollo_lab::Signals;

/// Blocks that are tokenised at once, on all cores.
const AT_ONCE: usize = 32;

/// Writes the tokens of the text in `data`; gives its bytes. What is not UTF-8 becomes U+FFFD for sub-words, with a
/// notice.
pub fn tokenise(
    data: &Path,
    to: &Path,
    vocabulary: &Vocabulary,
    writer: &mut TokenWriter,
) -> Result<u64, Failure> {
    let failed = |e| run_error(format!("{}: {e}", to.display()));
    let file = File::open(data).map_err(|e| read_failed(data, &e))?;
    let length = file.metadata().map_err(|e| read_failed(data, &e))?.len();
    let (mut blocks, mut progress) = (Blocks::new(file), Progress::new(length));
    let (mut read, mut not_text) = (0, 0);
    let signals = Signals::catch()?;
    loop {
        if let Some(signal) = signals.caught() {
            return Err(Failure::Signal(signal, "while tokenising; nothing is written".to_owned()));
        }
        let some = blocks.by_ref().take(AT_ONCE).collect::<Result<Vec<_>, _>>();
        let some = some.map_err(|e| read_failed(data, &e))?;
        if some.is_empty() {
            progress.bar.finish_and_clear();
            if not_text > 0 {
                println!("{not_text} bytes of the text are not UTF-8 and became U+FFFD");
            }
            return Ok(read);
        }
        let mut texts = Vec::new();
        for block in some {
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
        let tokens = vocabulary.encode_all(texts);
        for ids in tokens.map_err(|e| usage(format!("--vocabulary: cannot write the text: {e}")))? {
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
