//! GPT-2 as it was published (Radford et al. 2019, table 2; heads from the released configurations).

use apollo_examples::options::preset::Preset;
use clap::ValueEnum;

/// A published size.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    Gpt2,
    Gpt2Medium,
    Gpt2Large,
    Gpt2Xl,
}

impl Published {
    /// Its sizes, and how it is trained.
    pub fn preset(self) -> Preset {
        let (layers, width, heads, batch) = match self {
            Self::Gpt2 => (12, 768, 12, 16),
            Self::Gpt2Medium => (24, 1024, 16, 8),
            Self::Gpt2Large => (36, 1280, 20, 4),
            Self::Gpt2Xl => (48, 1600, 25, 2),
        };
        Preset {
            layers,
            width,
            heads,
            positions: 1024,
            batch,
            accumulate: 512 / batch,
            // Of the first GPT's code; GPT-2's was not published.
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}
