//! BERT as it was published (Devlin et al. 2019, section 3).

use apollo_examples::options::preset::Preset;
use clap::ValueEnum;

/// A published size.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    BertBase,
    BertLarge,
}

impl Published {
    /// Its sizes, and how it is trained.
    pub fn preset(self) -> Preset {
        let (layers, width, heads, batch) = match self {
            Self::BertBase => (12, 768, 12, 32),
            Self::BertLarge => (24, 1024, 16, 16),
        };
        Preset {
            layers,
            width,
            heads,
            positions: 512,
            batch,
            accumulate: 768 / batch,
            // BERT's own, from its appendix A.2 and its code.
            beta2: 0.999,
            epsilon: 1e-6,
        }
    }
}
