//! What the tokens of a text are: its bytes, or sub-words of a `tokenizer.json`.

use std::path::{Path, PathBuf};

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Encoding, Tokenizer};

use super::header::{BYTES, Header, MOST_TOKENS};
use crate::{Failure, run_error, usage};
use burn_apollo_lab::folder::{remove_file, write_file};

/// The file of a run's or a model's sub-words.
pub const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The name of the token that stands for a masked one, as BERT has it.
pub const MASK: &str = "[MASK]";

/// The tokens of a text.
pub enum Vocabulary {
    Bytes,
    SubWords(Box<SubWords>),
}

/// A tokenizer of the `tokenizers` library.
pub struct SubWords {
    tokenizer: Tokenizer,
    /// The text that it was read from.
    json: String,
    size: usize,
}

type Error = tokenizers::Error;

impl Vocabulary {
    /// The sub-words of any `tokenizer.json`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |e: &dyn std::fmt::Display| {
            let line = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            usage(format!("{}: no tokenizer: {line}", path.display()))
        };
        let json = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
        Self::from_json(json).map_err(|e| failed(&e))
    }

    /// The vocabulary that has this checksum, from `path` where it is not bytes.
    pub fn read_same(path: &Path, checksum: Option<u32>) -> Result<Self, Failure> {
        let vocabulary = match checksum {
            None => return Ok(Self::Bytes),
            Some(_) => Self::read(path)?,
        };
        match vocabulary.checksum() == checksum {
            true => Ok(vocabulary),
            false => Err(usage(format!(
                "{}: is not the tokenizer that the tokens were made with",
                path.display()
            ))),
        }
    }

    /// The vocabulary of a token file, which lies beside it.
    pub fn beside(tokens: &Path, header: &Header) -> Result<Self, Failure> {
        match Self::read_same(&Self::path_beside(tokens), header.vocabulary_checksum)? {
            same if same.size() == header.vocabulary => Ok(same),
            other => Err(usage(format!(
                "--data {}: made with a vocabulary of {}, its tokenizer has {}",
                tokens.display(),
                header.vocabulary,
                other.size()
            ))),
        }
    }

    /// Where the `tokenizer.json` of a token file lies.
    pub fn path_beside(tokens: &Path) -> PathBuf {
        let mut name = tokens.as_os_str().to_owned();
        name.push(".tokenizer.json");
        name.into()
    }

    /// Writes the `tokenizer.json` of a token file; says where. Bytes need none.
    pub fn save_beside(&self, tokens: &Path) -> Result<Option<PathBuf>, burn_pack::Error> {
        let path = Self::path_beside(tokens);
        let saved = self.json().map(|json| write_file(&path, json));
        Ok(saved.transpose()?.map(|()| path))
    }

    /// Writes the `tokenizer.json` into a model's folder, and what `transformers` must know to take it as it is. Bytes
    /// need none, and that of a model before it would be wrong.
    pub fn save_in(&self, dir: &Path) -> Result<(), Failure> {
        let Some(json) = self.json() else {
            return [TOKENIZER, TOKENIZER_CONFIG].iter().try_for_each(|name| {
                let path = dir.join(name);
                let failed = |e| run_error(format!("{}: cannot be removed: {e}", path.display()));
                remove_file(&path).map_err(failed)
            });
        };
        let mut config = serde_json::json!({"tokenizer_class": "PreTrainedTokenizerFast"});
        if let Some((name, _)) = self.mask() {
            config["mask_token"] = name.into();
        }
        let config = format!("{config:#}\n");
        write_file(&dir.join(TOKENIZER), json)
            .and_then(|()| write_file(&dir.join(TOKENIZER_CONFIG), &config))
            .map_err(run_error)
    }

    /// The tokenizer of a `tokenizer.json`.
    pub fn from_json(json: String) -> Result<Self, Error> {
        let mut fields: serde_json::Value = serde_json::from_str(&json)?;
        // The tokens of a text must not be random.
        if let Some(dropout) = fields.pointer_mut("/model/dropout") {
            *dropout = serde_json::Value::Null;
        }
        let mut tokenizer = Tokenizer::from_bytes(fields.to_string())?;
        // A corpus is tokenised as a whole, whatever a model took at once, and as text alone.
        tokenizer.with_truncation(None)?.with_padding(None);
        tokenizer.set_encode_special_tokens(true);
        let highest = tokenizer.get_vocab(true).into_values().max().ok_or("it has no token")?;
        let size = highest as usize + 1;
        if size > MOST_TOKENS {
            return Err(format!("token {highest} is beyond the {MOST_TOKENS} that may be").into());
        }
        Ok(Self::SubWords(Box::new(SubWords { tokenizer, json, size })))
    }

    /// A byte-level byte-pair encoding of at most `size` tokens, learned from a text; the `special` ones are among
    /// them, and stand for no text. Every text can be encoded with it.
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

    /// Tokens, at least the highest id and one.
    pub fn size(&self) -> usize {
        match self {
            Self::Bytes => BYTES,
            Self::SubWords(words) => words.size,
        }
    }

    /// Name and id of the token that stands for a masked one.
    pub fn mask(&self) -> Option<(&'static str, u32)> {
        let Self::SubWords(words) = self else { return None };
        let id = |name| words.tokenizer.token_to_id(name).map(|id| (name, id));
        id(MASK).or_else(|| id("<mask>"))
    }

    /// The `tokenizer.json`; none for bytes.
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Bytes => None,
            Self::SubWords(words) => Some(&words.json),
        }
    }

    /// CRC-32 of the `tokenizer.json`; none for bytes.
    pub fn checksum(&self) -> Option<u32> {
        self.json().map(|json| crc32fast::hash(json.as_bytes()))
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        match self {
            Self::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Self::SubWords(words) => Ok(words.tokenizer.encode_fast(text, false)?.get_ids().into()),
        }
    }

    /// The tokens of some texts, each on its own.
    pub fn encode_all(&self, texts: Vec<String>) -> Result<Vec<Vec<u32>>, Error> {
        match self {
            Self::Bytes => texts.iter().map(|text| self.encode(text)).collect(),
            Self::SubWords(words) => {
                let encodings = words.tokenizer.encode_batch_fast(texts, false)?;
                let ids = |encoding: &Encoding| encoding.get_ids().to_vec();
                Ok(encodings.iter().map(ids).collect())
            }
        }
    }

    /// The text of some tokens; bytes that are no text become replacement characters.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        match self {
            Self::Bytes => {
                let bytes: Vec<u8> = ids.iter().map(|id| *id as u8).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Self::SubWords(words) => words.tokenizer.decode(ids, false),
        }
    }
}
