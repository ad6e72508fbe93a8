//! Sub-words, by the `tokenizers` library. It panics on some files, at once or at the first text: it is only asked with care.

use std::fmt::Display;

use serde_json::Value;
use tokenizers::Tokenizer;
use tokenizers::parallelism::MaybeParallelIterator;
use tokenizers::tokenizer::{Model, OffsetReferential, OffsetType, PreTokenizer};

use super::header::MOST_TOKENS;
use super::lost::{Lost, Part};
use crate::caught::caught;

/// A tokenizer of the `tokenizers` library.
pub struct SubWords {
    tokenizer: Tokenizer,
    /// The text that it was read from.
    pub json: String,
    /// Tokens, at least the highest id and one.
    pub size: usize,
    /// The token that stands for what the others do not tell.
    unknown: Option<u32>,
}

pub type Error = tokenizers::Error;

/// What makes a `tokenizer.json` of a model's other files.
pub const RIGHT: &str =
    "in Python, AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR) writes a tokenizer.json";

impl SubWords {
    /// The tokenizer of a `tokenizer.json`.
    pub fn from_json(json: String) -> Result<Self, Error> {
        let other = |what: &dyn Display| format!("{what}; {RIGHT}");
        let mut fields: Value = serde_json::from_str(&json).map_err(|e| other(&e))?;
        if fields.get("model").is_none() {
            return Err(other(&"it has no `model`").into());
        }
        // The tokens of a text must not be random.
        if let Some(dropout) = fields.pointer_mut("/model/dropout") {
            *dropout = Value::Null;
        }
        let mut tokenizer = asked(|| Tokenizer::from_bytes(fields.to_string()))?;
        // A corpus is tokenised as a whole, whatever a model took at once.
        tokenizer.with_truncation(None)?.with_padding(None);
        let highest = tokenizer.get_vocab(true).into_values().max().ok_or("it has no token")?;
        let size = highest as usize + 1;
        if size > MOST_TOKENS {
            return Err(format!("token {highest} is beyond the {MOST_TOKENS} that may be").into());
        }
        let model = &fields["model"];
        let name = model["unk_token"].as_str().and_then(|name| tokenizer.token_to_id(name));
        let unknown = name.or(model["unk_id"].as_u64().and_then(|id| id.try_into().ok()));
        Ok(Self { tokenizer, json, size, unknown })
    }

    /// The id of a token.
    pub fn id(&self, name: &str) -> Option<u32> {
        self.tokenizer.token_to_id(name)
    }

    /// The tokens of a text, those that its template would add left out, and what they do not tell of it: as
    /// `encode(text, add_special_tokens=False)` in Python, which counts nothing.
    pub fn encode(&self, text: &str) -> Result<(Vec<u32>, Lost), Error> {
        asked(|| self.encoded(text))
    }

    /// [`encode`](Self::encode) of some texts, each on its own.
    pub fn encode_all(&self, texts: Vec<String>) -> Result<Vec<(Vec<u32>, Lost)>, Error> {
        asked(|| texts.into_maybe_par_iter().map(|text| self.encoded(&text)).collect())
    }

    fn encoded(&self, text: &str) -> Result<(Vec<u32>, Lost), Error> {
        let tokenizer = &self.tokenizer;
        let added = tokenizer.get_added_vocabulary();
        let mut parts = added.extract_and_normalize(tokenizer.get_normalizer(), text);
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut parts)?;
        }
        tokenizer.get_model().tokenize_in_pretokenized(&mut parts, None)?;
        let (mut ids, mut lost) = (Vec::new(), Lost::default());
        for (normal, (from, to), tokens) in
            parts.get_splits(OffsetReferential::Original, OffsetType::Byte)
        {
            let tokens = tokens.as_deref().unwrap_or_default();
            let bytes = |fits: &dyn Fn(u32) -> bool| -> usize {
                let some = tokens.iter().filter(|token| fits(token.id));
                some.map(|token| token.offsets.1.saturating_sub(token.offsets.0)).sum()
            };
            let is_unknown = |id| self.unknown == Some(id);
            lost.count(&Part {
                text: text.get(from..to).unwrap_or(normal),
                normal: normal.len(),
                tokens: tokens.len(),
                unknown: tokens.iter().filter(|token| is_unknown(token.id)).count(),
                unknown_bytes: bytes(&is_unknown),
                told_bytes: bytes(&|_| true),
            });
            ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok((ids, lost))
    }

    /// The text of some tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        asked(|| self.tokenizer.decode(ids, false))
    }
}

/// What the library answers, be it by a panic.
fn asked<T>(ask: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    caught(ask).unwrap_or_else(|panic| {
        Err(format!("the tokenizers library fails with it: {panic}").into())
    })
}
