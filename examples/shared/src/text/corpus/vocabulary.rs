//! What the tokens of a text are: its bytes, or sub-words of a `tokenizer.json`.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::header::{BYTES, Header};
use super::sub_words::{Error, RIGHT, SubWords};
use super::tokens::Tokens;
use crate::{Failure, regular, run_error, usage};
use burn_apollo_lab::folder::write_file;

/// The file of a run's or a model's sub-words.
pub const TOKENIZER: &str = "tokenizer.json";
/// What `transformers` must know to take a model's sub-words as they are.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The name of the token that stands for a masked one, as BERT has it.
pub const MASK: &str = "[MASK]";

/// The tokens of a text.
pub enum Vocabulary {
    Bytes,
    SubWords(Box<SubWords>),
}

impl Vocabulary {
    /// The sub-words of any `tokenizer.json`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = regular(path).and_then(|_| std::fs::read(path)).map_err(Error::from);
        let text = bytes.and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| format!("it is no text; {RIGHT}").into())
        });
        text.and_then(Self::from_json).map_err(|e| no_tokenizer(path, &e))
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

    /// The vocabulary of a text, or of a token file.
    pub fn of(data: &Path) -> Result<Self, Failure> {
        let failed =
            |e: &dyn Display| usage(format!("--data {}: cannot be read: {e}", data.display()));
        regular(data).map_err(|e| failed(&e))?;
        match Tokens::are_in(data).map_err(|e| failed(&e))? {
            false => Ok(Self::Bytes),
            true => Self::beside(data, Tokens::open(data).map_err(|e| failed(&e))?.header()),
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
    /// need none.
    pub fn save_in(&self, dir: &Path) -> Result<(), Failure> {
        let Some(json) = self.json() else { return Ok(()) };
        let mut config = serde_json::json!({"tokenizer_class": "PreTrainedTokenizerFast"});
        if let Some((name, _)) = self.mask() {
            config["mask_token"] = name.into();
        }
        let config = format!("{config:#}\n");
        write_file(&dir.join(TOKENIZER), json)
            .and_then(|()| write_file(&dir.join(TOKENIZER_CONFIG), &config))
            .map_err(run_error)
    }

    /// The sub-words of a `tokenizer.json`.
    pub fn from_json(json: String) -> Result<Self, Error> {
        Ok(Self::SubWords(Box::new(SubWords::from_json(json)?)))
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
        let id = |name| words.id(name).map(|id| (name, id));
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
            Self::SubWords(words) => Ok(words.encode(text)?.0),
        }
    }

    /// The text of some tokens; bytes that are no text become replacement characters.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        match self {
            Self::Bytes => {
                let bytes: Vec<u8> = ids.iter().map(|id| *id as u8).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Self::SubWords(words) => words.decode(ids),
        }
    }
}

/// A tokenizer that the library does not take, at once or at a text.
pub fn no_tokenizer(path: &Path, error: &Error) -> Failure {
    let line = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    usage(format!("{}: no tokenizer: {line}", path.display()))
}
