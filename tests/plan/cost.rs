//! The closed forms of costs against what PyTorch counts: `examples/shared/tests/python/flops.py`.

use burn_apollo::cost::ModelCost;
use serde::Deserialize;

#[derive(Deserialize)]
struct Counted {
    width: usize,
    hidden: usize,
    tokens: usize,
    vocabulary: usize,
    gpt2: Vec<AtDepth>,
    bert: Vec<AtDepth>,
}

#[derive(Deserialize)]
struct AtDepth {
    depth: usize,
    /// Operations of a forward pass, and of a forward and a backward pass.
    per_token: [f64; 2],
}

#[test]
fn transformers_cost_what_pytorch_counts() {
    let Counted { width, hidden, tokens, vocabulary, gpt2, bert } =
        serde_json::from_str(include_str!("../data/flops.json")).unwrap();
    let transformer = ModelCost::transformer(width, hidden, tokens, vocabulary);
    // BERT's head has a hidden layer.
    let with_hidden = transformer.clone().with_more(2.0 * (width * width) as f64);
    for (cost, counted) in [(transformer, gpt2), (with_hidden, bert)] {
        assert_eq!(counted.len(), 3);
        for AtDepth { depth, per_token } in counted {
            assert_eq!([cost.forward(&[depth]), cost.training(&[depth])], per_token);
        }
    }
}
