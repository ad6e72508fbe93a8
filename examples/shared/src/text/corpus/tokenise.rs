//! From text to tokens, block by block.

use std::fs::File;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::Vocabulary;
use super::blocks::Blocks;
use super::lost::Lost;
use super::sub_words::Error;
use crate::{Failure, usage};
use burn_apollo_lab::Signals;

/// Blocks that are tokenised at once, on all cores.
const AT_ONCE: usize = 32;

/// A text on its way to tokens. What is not UTF-8 becomes U+FFFD for sub-words.
pub struct Tokenising<'a> {
    data: &'a Path,
    vocabulary: &'a Vocabulary,
    blocks: Blocks<File>,
    progress: Progress,
    signals: &'static Signals,
    /// Bytes of the text so far, and those that are not UTF-8.
    pub bytes: u64,
    pub not_text: usize,
    pub lost: Lost,
}

impl<'a> Tokenising<'a> {
    pub fn of(data: &'a Path, vocabulary: &'a Vocabulary) -> Result<Self, Failure> {
        let file = File::open(data).map_err(|e| read_failed(data, &e))?;
        let length = file.metadata().map_err(|e| read_failed(data, &e))?.len();
        let (blocks, progress, signals) =
            (Blocks::new(file), Progress::new(length), Signals::catch()?);
        let (bytes, not_text, lost) = (0, 0, Lost::default());
        Ok(Self { data, vocabulary, blocks, progress, signals, bytes, not_text, lost })
    }

    pub fn is_at_end(&self) -> bool {
        self.progress.bar.length() == Some(self.bytes)
    }

    /// The tokens of the next blocks; nothing at the end. An error of the tokenizer is given to `failed`.
    pub fn next(
        &mut self,
        failed: impl Fn(&Error) -> Failure,
    ) -> Result<Option<Vec<u32>>, Failure> {
        if let Some(signal) = self.signals.caught() {
            return Err(Failure::Signal(signal, "while tokenising; nothing is written".to_owned()));
        }
        let at_once = if self.vocabulary.json().is_some() { AT_ONCE } else { 1 };
        let some = self.blocks.by_ref().take(at_once).collect::<Result<Vec<_>, _>>();
        let some = some.map_err(|e| read_failed(self.data, &e))?;
        if some.is_empty() {
            self.progress.bar.finish_and_clear();
            return Ok(None);
        }
        self.bytes += some.iter().map(|block| block.len() as u64).sum::<u64>();
        let ids = match self.vocabulary {
            Vocabulary::Bytes => some.concat().into_iter().map(u32::from).collect(),
            Vocabulary::SubWords(words) => {
                let chunks = some.iter().flat_map(|block| block.utf8_chunks());
                self.not_text += chunks.map(|chunk| chunk.invalid().len()).sum::<usize>();
                let text = |block: &Vec<u8>| String::from_utf8_lossy(block).into_owned();
                let encoded =
                    words.encode_all(some.iter().map(text).collect()).map_err(|e| failed(&e))?;
                let mut all = Vec::new();
                for (ids, lost) in encoded {
                    all.extend(ids);
                    self.lost.add(lost);
                }
                all
            }
        };
        self.progress.show(self.bytes);
        Ok(Some(ids))
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
