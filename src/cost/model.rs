use serde::{Deserialize, Serialize};

/// Operations of a forward pass for one item (a token, an image), by the depth that each layer stack runs at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCost {
    /// Operations of one layer of each stack; the last holds for all further stacks.
    layers: Vec<f64>,
    /// Operations of all that is no layer: embeddings and head.
    rest: f64,
}

/// Backward passes in terms of forward passes.
const BACKWARD: f64 = 2.0;

impl ModelCost {
    /// A model with one stack, or several of equal layers, from the operations of a layer and of all else, both measured
    /// or worked out by hand.
    pub fn of_layer(layer: f64, rest: f64) -> Self {
        Self::of_layers(vec![layer], rest)
    }

    /// A model with several stacks, from the operations of a layer of each and of all else.
    pub fn of_layers(layers: Vec<f64>, rest: f64) -> Self {
        Self { layers, rest }
    }

    /// A transformer, per token: each layer with attention of `width` over `context` tokens and a feed-forward part of
    /// `hidden` width, then a head to `vocabulary` tokens.
    ///
    /// A layer is `8·width² + 4·context·width + 4·width·hidden` (queries, keys, values and output; scores and sums over
    /// the context, counted in full for causal attention too; the two feed-forward products), the head
    /// `2·width·vocabulary` (Kaplan et al., arXiv 2001.08361, table 1, with the attention's products in full).
    pub fn transformer(width: usize, hidden: usize, context: usize, vocabulary: usize) -> Self {
        let [width, hidden, context, vocabulary] =
            [width, hidden, context, vocabulary].map(|x| x as f64);
        let layer = 8.0 * width * width + 4.0 * context * width + 4.0 * width * hidden;
        Self::of_layer(layer, 2.0 * width * vocabulary)
    }

    /// Adds operations beside the layers, of a head with a hidden layer of its own, say.
    pub fn with_more(self, operations: f64) -> Self {
        Self { rest: self.rest + operations, ..self }
    }

    /// Operations of a forward pass of one item, with each stack at its depth.
    pub fn forward(&self, depths: &[usize]) -> f64 {
        self.forward_mean(depths.iter().map(|depth| *depth as f64))
    }

    /// Operations of a forward and a backward pass of one item, with each stack at its depth.
    pub fn training(&self, depths: &[usize]) -> f64 {
        (1.0 + BACKWARD) * self.forward(depths)
    }

    /// The mean of [`training`](Self::training) over steps with these mean depths.
    pub(super) fn training_mean(&self, depths: impl IntoIterator<Item = f64>) -> f64 {
        (1.0 + BACKWARD) * self.forward_mean(depths)
    }

    fn forward_mean(&self, depths: impl IntoIterator<Item = f64>) -> f64 {
        let last = self.layers.last().copied().unwrap_or(0.0);
        let layers = self.layers.iter().copied().chain(core::iter::repeat(last));
        self.rest + depths.into_iter().zip(layers).map(|(depth, layer)| depth * layer).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_have_layers_of_their_own() {
        let model = ModelCost::of_layers(vec![2.0, 3.0], 10.0);
        assert_eq!(model.forward(&[4, 5]), 10.0 + 8.0 + 15.0);
        assert_eq!(model.training(&[4, 5]), 99.0);
        assert_eq!(ModelCost::of_layer(2.0, 1.0).forward(&[1, 1, 1]), 7.0);
    }

    #[test]
    fn gpt2_is_as_published() {
        // 6 operations per parameter and token for training, plus attention over the context.
        let model = ModelCost::transformer(768, 3072, 1024, 50_257);
        let parameters = 12.0 * 12.0 * 768.0 * 768.0 + 768.0 * 50_257.0;
        let attention = 12.0 * 12.0 * 1024.0 * 768.0;
        assert!((model.training(&[12]) - (6.0 * parameters + attention)).abs() < 1.0);
    }
}
