//! Learning a vocabulary from a text on disk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

use super::Vocabulary;
use super::blocks::Blocks;
use super::sub_words::Error;
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

impl Vocabulary {
    /// A byte-level byte-pair encoding of at most `size` tokens, learned from a text; the `special` ones are among
    /// them. Every text can be encoded with it.
    pub fn learn(
        size: usize,
        special: &[&str],
        blocks: impl Iterator<Item = String> + Send,
    ) -> Result<Self, Error> {
        let mut tokenizer = Tokenizer::new(BPE::default());
        tokenizer
            .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
            .with_decoder(Some(ByteLevel::default()));
        let trainer = BpeTrainer::builder()
            .vocab_size(size)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(special.iter().map(|name| AddedToken::from(*name, true)).collect())
            .build();
        tokenizer.train(&mut TrainerWrapper::from(trainer), blocks)?;
        Self::from_json(tokenizer.to_string(false)?)
    }
}
