//! Parameters in two places, and what a layer keeps beside its parameters.

use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, growable};

use crate::support::{WIDTH, adamw, batch, bits, device, grads_of, load_record, record, stages};

fn linear(device: &Device) -> Linear {
    LinearConfig::new(WIDTH, WIDTH).init(device)
}

fn residual(x: Tensor<2>, layer: &Linear) -> Tensor<2> {
    x.clone() + layer.forward(x).tanh()
}

fn plan_of_four() -> Plan {
    Plan::new(20).with_schedule(stages(&[(2, 5)], 4))
}

/// A text model whose layers and head may share parameters.
#[derive(Module, Debug)]
struct Text {
    embedding: Embedding,
    blocks: LayerStack<Linear>,
    head: Option<Linear>,
}

growable!(Text { blocks });

impl Text {
    fn new() -> Self {
        let device = device();
        Self {
            embedding: EmbeddingConfig::new(WIDTH, WIDTH).init(&device),
            blocks: (0..4).map(|_| linear(&device)).collect(),
            head: None,
        }
    }

    /// The head is the embedding's weight, passed to where it is used.
    fn loss(&self, tokens: Tensor<2, Int>) -> Tensor<1> {
        let [batch, length] = tokens.dims();
        let x = self.embedding.forward(tokens).reshape([batch * length, WIDTH]);
        let x = self.blocks.iter().fold(x, residual);
        x.matmul(self.embedding.weight.val().transpose()).powi_scalar(2).mean()
    }
}

#[test]
fn a_weight_that_is_passed_along_stays_tied() {
    let mut apollo = Apollo::new(Text::new(), plan_of_four()).unwrap();
    let weight_of = |apollo: &Apollo<Text>| apollo.model().embedding.weight.val().into_data();
    let (mut optim, mut weight) = (adamw(), weight_of(&apollo));
    for step in 0..8 {
        let tokens = Tensor::from_ints([[0, step % 6, 2], [3, 4, 5]], &device());
        let grads = grads_of(&apollo.model().loss(tokens), &apollo);
        apollo.update(&mut optim, 0.01, grads).unwrap();
        let now = weight_of(&apollo);
        assert_ne!(weight, now);
        weight = now;
    }
    assert_eq!(apollo.unique_layers(), 4);
    let loaded = Apollo::new(Text::new(), plan_of_four()).unwrap();
    assert_eq!(bits(load_record(loaded, record(&apollo)).model()), bits(apollo.model()));
}

/// Burn's optimizers update only the first holder of an id, so such parameters are not tied.
#[test]
fn one_parameter_in_two_places_is_refused() {
    let refused = |model: Text, first: &str, second: &str| {
        let error = Apollo::new(model, plan_of_four()).unwrap_err();
        let tied = format!("`{first}` and `{second}` are one parameter by id");
        assert!(error.to_string().starts_with(&tied), "{error}");
    };
    let mut layers = Text::new();
    let shared = layers.blocks.layers()[0].weight.clone();
    layers.blocks.layers_mut()[1].weight = shared;
    refused(layers, "blocks.0.weight", "blocks.1.weight");
    let mut outside = Text::new();
    outside.blocks.layers_mut()[1].weight = outside.embedding.weight.clone();
    refused(outside, "embedding.weight", "blocks.1.weight");

    // Outside the stacks it is the model's own affair, and frozen parameters do not part.
    let mut head = Text::new();
    head.head = Some(linear(&device()));
    head.head.as_mut().unwrap().weight = head.embedding.weight.clone();
    assert!(Apollo::new(head, plan_of_four()).is_ok());
    let mut frozen = Text::new();
    let shared = frozen.blocks.layers()[0].weight.clone().set_require_grad(false);
    for block in frozen.blocks.layers_mut() {
        block.weight = shared.clone();
    }
    let inner = Apollo::new(frozen, plan_of_four()).unwrap().into_partly_trained().unwrap();
    for block in inner.blocks.layers() {
        assert_eq!(block.weight.val().into_data(), shared.val().into_data());
    }
}

/// What a layer keeps from one call to the next belongs to a place in the stack, not to a unique layer: a cache
/// for each virtual layer, passed along, makes a shared stack run as a plain one does.
#[test]
fn caches_go_with_virtual_layers() {
    let model = Text::new();
    let mut apollo = Apollo::new(model, plan_of_four()).unwrap();
    apollo.set_depth(4).unwrap();
    let cached = |layers: Vec<&Linear>| {
        let mut caches: Vec<Option<Tensor<2>>> = vec![None; layers.len()];
        let mut outputs = Vec::new();
        for token in 0..3 {
            let mut x = batch(token, &device());
            for (layer, cache) in layers.iter().zip(&mut caches) {
                let sum = cache.take().map_or(x.clone(), |seen| seen + x.clone());
                *cache = Some(sum.clone());
                x = x + layer.forward(sum).tanh();
            }
            outputs.push(x.into_data());
        }
        outputs
    };
    let blocks = &apollo.model().blocks;
    let plain: Vec<Linear> = blocks.order().iter().map(|i| blocks.layers()[*i].clone()).collect();
    let shared: Vec<&Linear> = blocks.iter().collect();
    assert_eq!(shared.len(), blocks.depth());
    assert_eq!(cached(shared), cached(plain.iter().collect()));
}

/// Fields that Burn skips are cloned into copies: a count behind an `Arc` goes on counting for all of them.
#[derive(Module, Debug)]
struct Counting {
    linear: Linear,
    #[module(skip)]
    calls: Arc<Mutex<usize>>,
}

#[derive(Module, Debug)]
struct Counted {
    blocks: LayerStack<Counting>,
}

growable!(Counted { blocks });

#[test]
fn skipped_fields_are_cloned() {
    let block = |i: usize| Counting { linear: linear(&device()), calls: Arc::new(Mutex::new(i)) };
    let counted = Counted { blocks: (0..4).map(block).collect() };
    let inner = Apollo::new(counted, plan_of_four()).unwrap().into_partly_trained().unwrap();
    let counts = || inner.blocks.layers().iter().map(|b| *b.calls.lock().unwrap());
    assert_eq!(counts().collect::<Vec<_>>(), [0, 0, 1, 1]);
    *inner.blocks.layers()[0].calls.lock().unwrap() += 10;
    assert_eq!(counts().collect::<Vec<_>>(), [10, 10, 1, 1]);
}
