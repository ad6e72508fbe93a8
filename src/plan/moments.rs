use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the optimizer state of copied layers becomes at a growth.
///
/// Layers that begin as the identity ([`NewLayers::zeroed`](crate::expand::NewLayers::zeroed)) are no copies in this
/// sense: they start without state under every policy, and what they were made from keeps its state unscaled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MomentPolicy {
    /// The whole optimizer starts afresh (StackBERT's default).
    Reset,
    /// First copies keep the state of their source, further copies start without (Apollo's code leaves
    /// it so by accident, MSG on purpose).
    FreshCopies,
    /// Every copy gets the state of its source, step count included (MIDAS, staged training).
    Copy,
    /// As [`Copy`](Self::Copy), but for a layer that becomes `k` layers, first moments are divided by
    /// `k` and second ones by `k²`: the gradient of a shared layer is the sum over its uses, so each
    /// copy sees about `1/k` of it. [`MomentOrders`] says what counts as a first or second moment. The
    /// default, by measurement: see `docs/choices.md`.
    #[default]
    Scaled,
}

/// The power of the gradient that each field of an optimizer's state holds.
///
/// [`MomentPolicy::Scaled`] divides a field of order `p` by `kᵖ` when one
/// layer becomes `k`. The default knows all optimizers of Burn 0.22; a user's own optimizer adds its
/// fields, by their path in the record (`momentum.velocity` for a nested state).
///
/// ```
/// use burn_apollo::optim::MomentOrders;
///
/// let orders = MomentOrders::default().with_field("my_average", 1);
/// assert_eq!(orders.order("my_average"), Some(1));
/// assert_eq!(orders.order("momentum.moment_2"), Some(2)); // AdamW
/// assert_eq!(orders.order("unheard_of"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MomentOrders {
    fields: BTreeMap<String, u32>,
}

impl Default for MomentOrders {
    fn default() -> Self {
        const BURN: [(&str, u32); 18] = [
            ("momentum.moment_1", 1),     // Adam, AdamW
            ("momentum.moment_2", 2),     // Adam, AdamW
            ("momentum.max_moment_2", 2), // Adam, AdamW with AMSGrad
            ("moment_1", 1),              // LAMB
            ("moment_2", 2),              // LAMB
            ("momentum.velocity", 1),     // SGD, Muon
            ("momentum", 1),              // Lion
            ("momentum.exp_avg", 1),      // Adan
            ("momentum.exp_avg_sq", 2),   // Adan
            ("momentum.exp_avg_diff", 1), // Adan
            ("momentum.neg_pre_grad", 1), // Adan
            ("second_moment", 2),         // Adafactor
            ("column_second_moment", 2),  // Adafactor
            ("lr_decay.sum", 2),          // AdaGrad
            ("square_avg.square_avg", 2), // RMSprop
            ("centered.grad_avg", 1),     // RMSprop
            ("centered.avg", 2),          // RMSprop
            ("momentum.buf", 0),          // RMSprop: of normalised gradients
        ];
        Self { fields: BURN.iter().map(|(field, order)| ((*field).to_owned(), *order)).collect() }
    }
}

impl MomentOrders {
    /// No field known: for an optimizer of your own whose names clash with Burn's.
    pub fn none() -> Self {
        Self { fields: BTreeMap::new() }
    }

    /// Says that `field` holds the `order`-th power of the gradient; 0 leaves it as it is.
    pub fn with_field(mut self, field: impl Into<String>, order: u32) -> Self {
        self.fields.insert(field.into(), order);
        self
    }

    pub(crate) fn are_default(&self) -> bool {
        *self == Self::default()
    }

    /// The power of the gradient that `field` holds, if known.
    pub fn order(&self, field: &str) -> Option<u32> {
        self.fields.get(field).copied()
    }
}
