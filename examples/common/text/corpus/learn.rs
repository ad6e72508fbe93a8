//! Learning a vocabulary from a text on disk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Vocabulary;
use super::blocks::Blocks;
use super::tokenise::read_failed;
use crate::common::{Failure, run_error};

/// About how many bytes are learned from, for the words that are counted stay in memory.
const AT_MOST: u64 = 1 << 26;

/// At most `size` sub-words of the first 95 % of a text: of every block, or of every n-th if it has more than 64 MiB.
/// The `special` tokens are among them.
pub fn learn(data: &Path, size: usize, special: &[&str]) -> Result<Vocabulary, Failure> {
    let failed = |e| read_failed(data, &e);
    let file = File::open(data).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let (end, every) = (length - length / 20, length.div_ceil(AT_MOST).max(1));
    let mut blocks = (0_u64..).zip(Blocks::new(file.take(end)));
    let mut next = || -> Result<Option<String>, Failure> {
        for (number, block) in blocks.by_ref() {
            let block = block.map_err(failed)?;
            if number % every == 0 {
                return Ok(Some(String::from_utf8_lossy(&block).into_owned()));
            }
        }
        Ok(None)
    };
    let mut failure = None;
    let texts = std::iter::from_fn(|| {
        next().unwrap_or_else(|e| {
            failure = Some(e);
            None
        })
    });
    let learned = Vocabulary::learn(size, special, texts);
    match failure {
        Some(failure) => Err(failure),
        None => learned.map_err(run_error),
    }
}
