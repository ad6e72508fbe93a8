//! What a run on a text is.

use std::path::{Path, PathBuf};

use burn_apollo_lab::RunConfig;
use serde::{Deserialize, Serialize};

use crate::hf::{self, ConfigFields};
use crate::models::bert::BertConfig;
use crate::models::gpt::GptConfig;
use crate::options::text::{Models, TextOptions};
use crate::text::corpus::tokens::checksum;
use crate::text::corpus::{BYTES, Order, TOKENIZER, Vocabulary};
use crate::{Failure, run_config, usage};

/// Where the first weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitFrom {
    pub dir: PathBuf,
    /// CRC-32 of the weights' files.
    pub checksum: u32,
    /// Their `config.json`, for that of an export; not kept by runs of before.
    #[serde(default)]
    pub config: ConfigFields,
}

/// The text and the model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Which program's model it is; not kept by runs of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub data: PathBuf,
    /// CRC-32 of the tokens.
    pub data_checksum: u32,
    /// Tokens to choose from.
    #[serde(default = "bytes", skip_serializing_if = "is_bytes")]
    pub vocabulary: usize,
    /// CRC-32 of the `tokenizer.json`, where tokens are not bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<u32>,
    #[serde(default, skip_serializing_if = "Order::is_random")]
    pub order: Order,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub seq: usize,
    pub dropout: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_std: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFrom>,
}

impl TextConfig {
    /// Whether two runs are the same; the same text and first weights may lie elsewhere, and the other may be one of before.
    pub fn same_run(one: &RunConfig<Self>, other: &RunConfig<Self>) -> bool {
        let mut other = other.clone();
        other.task.data.clone_from(&one.task.data);
        if other.task.model.is_none() {
            other.task.model.clone_from(&one.task.model);
        }
        if let (Some(one), Some(other)) = (&one.task.init_from, &mut other.task.init_from) {
            other.dir.clone_from(&one.dir);
            other.config.clone_from(&one.config);
        }
        *one == other
    }

    /// The run of one of these models in `out`, and its tokens.
    pub fn of_run(out: &Path, models: &Models) -> Result<(RunConfig<Self>, Vocabulary), Failure> {
        let config: RunConfig<Self> = run_config(out)?;
        if let Some(model) = config.task.model.as_ref().filter(|model| *model != models.name) {
            let name = models.name;
            return Err(usage(format!("--out {}: a run of {model}, not of {name}", out.display())));
        }
        let vocabulary = Vocabulary::read_same(&out.join(TOKENIZER), config.task.tokenizer)?;
        Ok((config, vocabulary))
    }
}

/// The sizes of a model for text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    pub vocabulary: usize,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub seq: usize,
    pub dropout: f64,
}

impl From<GptConfig> for Sizes {
    fn from(model: GptConfig) -> Self {
        let GptConfig { vocabulary, layers, width, heads, positions, dropout, .. } = model;
        Self { vocabulary, layers, width, heads, seq: positions, dropout }
    }
}

impl From<BertConfig> for Sizes {
    fn from(model: BertConfig) -> Self {
        let BertConfig { vocabulary, layers, width, heads, positions, dropout, .. } = model;
        Self { vocabulary, layers, width, heads, seq: positions, dropout }
    }
}

impl InitFrom {
    pub(super) fn read(dir: &Path) -> Result<Self, Failure> {
        let failed = |e| usage(format!("--init-from {}: cannot be read: {e}", dir.display()));
        let checksum = checksum(&hf::weight_files(dir)?).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), checksum, config: hf::read_fields(dir)? })
    }

    /// Refuses first weights of a model of other sizes: its vocabulary and the options that it needs.
    pub(super) fn check(
        &self,
        options: &TextOptions,
        tokens: usize,
        models: &Models,
    ) -> Result<(), Failure> {
        let found = (models.sizes)(&self.config, &self.dir)?;
        let own = Sizes {
            vocabulary: tokens,
            layers: options.layers as usize,
            width: options.width as usize,
            heads: options.heads as usize,
            seq: options.seq as usize,
            dropout: options.dropout,
        };
        let (dir, Sizes { vocabulary, layers, width, heads, seq, dropout }) =
            (self.dir.display(), found);
        if vocabulary != tokens {
            let mut line =
                format!("--init-from {dir}: a model of {vocabulary} tokens, this one has {tokens}");
            let words = self.dir.join(TOKENIZER);
            if words.exists() {
                line += &format!("; its own are those of --vocabulary {}", words.display());
            }
            if vocabulary > tokens {
                line +=
                    &format!("; if the others are padding, --pad-vocabulary {vocabulary} goes on");
            }
            return Err(usage(line));
        }
        match found == own {
            true => Ok(()),
            false => Err(usage(format!(
                "--init-from {dir}: this model needs --layers {layers} --width {width} --heads {heads} --seq {seq} \
                 --dropout {dropout}"
            ))),
        }
    }
}

fn bytes() -> usize {
    BYTES
}

fn is_bytes(vocabulary: &usize) -> bool {
    *vocabulary == BYTES
}
