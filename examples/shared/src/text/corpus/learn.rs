//! Learning a vocabulary from a text on disk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Vocabulary;
use super::blocks::Blocks;
use super::tokenise::read_failed;
use crate::{Failure, run_error};

/// About how many bytes are learned from, for the words that are counted stay in memory.
const AT_MOST: u64 = 1 << 26;

/// At most `size` sub-words of the first 95 % of a text: of every block, or of every n-th if it has more than 64 MiB.
/// The `special` tokens are among them.
pub fn learn(data: &Path, size: usize, special: &[&str]) -> Result<Vocabulary, Failure> {
    let failed = |e| read_failed(data, &e);
    let file = File::open(data).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let every = length.div_ceil(AT_MOST).max(1) as usize;
    let mut failure = None;
    let blocks = Blocks::new(file.take(length - length / 20)).step_by(every);
    let texts = blocks.map_while(|block| match block {
        Ok(block) => Some(String::from_utf8_lossy(&block).into_owned()),
        Err(e) => {
            failure = Some(failed(e));
            None
        }
    });
    let learned = Vocabulary::learn(size, special, texts);
    match failure {
        Some(failure) => Err(failure),
        None => learned.map_err(run_error),
    }
}
