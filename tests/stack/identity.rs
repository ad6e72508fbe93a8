//! Growth by layers that begin as the identity: the function, gradients and optimizer state before and after.

use std::collections::HashMap;

use burn::module::{Module, ParamId};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor, TensorData};
use burn_apollo::depth::ConstantLow;
use burn_apollo::expand::{Expander, ExpanderConfig, LayerMap, MiddleStacking, NewLayers};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::plan::PlanError;
use burn_apollo::schedule::Schedule;
use burn_apollo::stack::LayerStack;
use burn_apollo::{
    Apollo, Plan,
    apollo::{ApolloError, GrowthReport, InferenceDepth},
    growable,
};
use burn_pack::Reader;
use serde::Serialize;

use crate::support::{WIDTH, adamw, batch, bits, device, grads_of, load_record, record, stages};

/// A pre-norm residual block.
#[derive(Module, Debug)]
struct Block {
    norm: LayerNorm,
    mlp: Mlp,
}

#[derive(Module, Debug)]
struct Mlp {
    c_fc: Linear,
    c_proj: Linear,
}

/// Blocks between an input projection and a final norm with a head.
#[derive(Module, Debug)]
struct Net {
    input: Linear,
    blocks: LayerStack<Block>,
    norm: LayerNorm,
    head: Linear,
}

growable!(Net { blocks });

impl Block {
    fn new(device: &Device) -> Self {
        let linear = |a, b| LinearConfig::new(a, b).init(device);
        let mlp = Mlp { c_fc: linear(WIDTH, 2 * WIDTH), c_proj: linear(2 * WIDTH, WIDTH) };
        Self { norm: LayerNormConfig::new(WIDTH).init(device), mlp }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.mlp.c_fc.forward(self.norm.forward(x.clone()));
        x + self.mlp.c_proj.forward(gelu(y))
    }
}

impl Net {
    fn new(layers: usize) -> Self {
        let (device, on) = (device(), device());
        Self {
            input: LinearConfig::new(WIDTH, WIDTH).init(&device),
            blocks: LayerStack::from_fn(layers, move |_| Block::new(&on)),
            norm: LayerNormConfig::new(WIDTH).init(&device),
            head: LinearConfig::new(WIDTH, 2).init(&device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.blocks.iter().fold(self.input.forward(x), |x, block| block.forward(x));
        self.head.forward(self.norm.forward(x))
    }

    fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let target = x.clone().narrow(1, 0, 2);
        (self.forward(x) - target).powi_scalar(2).mean()
    }
}

fn identities() -> NewLayers {
    NewLayers::zeroed(["c_proj"])
}

fn plan() -> Plan {
    Plan::new(20).with_sampler(ConstantLow).with_new_layers(identities())
}

fn step(apollo: &mut Apollo<Net>, optim: &mut ModuleOptimizer, lr: f64) -> Option<GrowthReport> {
    let loss = apollo.model().loss(batch(apollo.step_count(), &device()));
    let grads = grads_of(&loss, apollo);
    apollo.update(optim, lr, grads).unwrap().growth
}

/// A run just before it grows, and after, with an update in between that changes nothing.
struct Grown {
    before: Apollo<Net>,
    after: Apollo<Net>,
    optim_before: ModuleOptimizer,
    optim: ModuleOptimizer,
    report: GrowthReport,
}

fn grown(plan: Plan, layers: usize, steps: u64) -> Grown {
    let mut optim = AdamWConfig::new().with_weight_decay(0.0).init();
    let mut before = Apollo::new(Net::new(layers), plan).unwrap();
    for _ in 1..steps {
        step(&mut before, &mut optim, 0.01);
    }
    let (optim_before, mut after) = (optim.clone(), before.clone());
    let report = step(&mut after, &mut optim, 0.0).unwrap();
    Grown { before, after, optim_before, optim, report }
}

fn outputs(apollo: &Apollo<Net>) -> Vec<f32> {
    outputs_of(apollo.model())
}

fn outputs_of(model: &Net) -> Vec<f32> {
    model.forward(batch(77, &device())).into_data().iter::<f32>().collect()
}

fn assert_same(before: &[f32], after: &[f32], what: &str) {
    let gap = before.iter().zip(after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(gap <= 1e-6 && before.len() == after.len(), "{what}: outputs part by {gap}");
}

fn expanders() -> [ExpanderConfig; 4] {
    let middle = |block| ExpanderConfig::from(MiddleStacking::new(block).unwrap());
    [ExpanderConfig::Interpolation, ExpanderConfig::Stacking, middle(1), middle(2)]
}

#[test]
fn growth_changes_nothing_for_any_ratio_and_any_map() {
    for expander in expanders() {
        for (from, to) in [(1, 2), (1, 5), (2, 3), (3, 7), (4, 6), (5, 8), (6, 7), (3, 12)] {
            let with = |plan: Plan| plan.with_expander(expander.clone());
            let plan = with(plan().with_schedule(stages(&[(from, 4)], to)));
            let Grown { before, after, .. } = grown(plan, to, 4);
            assert_eq!((before.unique_layers(), after.unique_layers()), (from, to));
            let what = format!("{expander:?} {from} → {to}");
            assert_same(&outputs(&before), &outputs(&after), &what);
            let at = |model: &Apollo<Net>| {
                let model = model.at_depth(InferenceDepth::Unique).unwrap();
                model.loss(batch(5, &device().inner())).into_scalar::<f32>()
            };
            assert_same(&[at(&before)], &[at(&after)], &what);
            // Plain copies do change it.
            let plain = with(plan_of_copies(from, to));
            let Grown { before, after, .. } = grown(plain, to, 4);
            let gap = outputs(&before)[0] - outputs(&after)[0];
            assert!(gap.abs() > 1e-4, "{what}: copies change the function, by {gap}");
        }
    }
}

fn plan_of_copies(from: usize, to: usize) -> Plan {
    let schedule = stages(&[(from, 4)], to);
    Plan::new(20).with_sampler(ConstantLow).with_schedule(schedule)
}

#[test]
fn growth_from_no_layers_changes_nothing() {
    let plan = plan().with_schedule(Schedule::one_hop(&[0], &[4], 0.2));
    let Grown { before, mut after, mut optim, report, .. } = grown(plan, 4, 4);
    assert_eq!((before.unique_layers(), after.unique_layers()), (0, 4));
    assert_same(&outputs(&before), &outputs(&after), "0 → 4");
    assert_eq!(report.stacks[0].zeroed, 8);
    assert!(after.registry().stacks[0].layers.iter().all(|l| l.params.iter().any(|p| p.zeroed)));
    let untrained = bits(after.model());
    step(&mut after, &mut optim, 0.01);
    assert_ne!(bits(after.model()), untrained);
}

/// `into_partly_trained` makes the layers that are still missing as the growths would.
#[test]
fn the_finished_model_computes_the_same() {
    let plan = plan().with_schedule(stages(&[(2, 4), (3, 8)], 7));
    let mut apollo = Apollo::new(Net::new(7), plan).unwrap();
    step(&mut apollo, &mut adamw(), 0.01);
    let before = outputs(&apollo);
    let inner = apollo.into_partly_trained().unwrap();
    assert_eq!(inner.blocks.depth(), 7);
    assert_same(&before, &outputs_of(&inner), "2 → 3 → 7");
}

/// The originals' gradients stay as they were; of a new layer, first the named parameters have one, then all.
#[test]
fn gradients_after_the_growth() {
    let plan = plan().with_schedule(stages(&[(3, 4)], 7));
    let Grown { before, mut after, mut optim, .. } = grown(plan, 7, 4);
    let (old, new) = (gradients(before.model()), gradients(after.model()));
    for layer in &after.registry().stacks[0].layers {
        for param in &layer.params {
            let gradient = &new[&param.id];
            let largest = gradient.iter().map(|g| g.abs()).fold(0.0, f32::max);
            match layer.copied_from {
                None => assert_same(&old[&param.id], gradient, &param.path),
                Some(_) => assert_eq!(largest > 0.0, param.zeroed, "{}", param.path),
            }
        }
    }
    step(&mut after, &mut optim, 0.01);
    let second = gradients(after.model());
    for param in after.registry().stacks[0].layers.iter().flat_map(|l| &l.params) {
        assert!(second[&param.id].iter().any(|g| *g != 0.0), "{} is trained", param.path);
    }
    let before = bits(after.model());
    step(&mut after, &mut optim, 0.01);
    for (path, values) in bits(after.model()) {
        assert_ne!(values, before[&path], "{path}");
    }
}

fn gradients(model: &Net) -> HashMap<String, Vec<f32>> {
    let grads = model.loss(batch(9, &device())).backward();
    let mut found = HashMap::new();
    for block in model.blocks.layers() {
        let mut add = |id: ParamId, grad: TensorData| {
            found.insert(id.val().to_string(), grad.iter::<f32>().collect());
        };
        for linear in [&block.mlp.c_fc, &block.mlp.c_proj] {
            let bias = linear.bias.as_ref().unwrap();
            add(linear.weight.id, linear.weight.val().grad(&grads).unwrap().into_data());
            add(bias.id, bias.val().grad(&grads).unwrap().into_data());
        }
        let (gamma, beta) = (&block.norm.gamma, block.norm.beta.as_ref().unwrap());
        add(gamma.id, gamma.val().grad(&grads).unwrap().into_data());
        add(beta.id, beta.val().grad(&grads).unwrap().into_data());
    }
    found
}

/// Originals keep their moments as they are, also where copies would have them scaled; new layers have none.
#[test]
fn optimizer_state_after_the_growth() {
    for policy in [MomentPolicy::FreshCopies, MomentPolicy::Copy, MomentPolicy::Scaled] {
        let plan = plan().with_schedule(stages(&[(3, 4)], 7)).with_moments(policy);
        let Grown { before, after, optim_before: mut control, optim, report } = grown(plan, 7, 4);
        // The same update without the growth.
        let loss = before.model().loss(batch(before.step_count(), &device()));
        let grads = grads_of(&loss, &before);
        let _ = control.step(0.0, before.model().clone(), grads);
        let (old, new) = (moments(&control), moments(&optim));
        for layer in &after.registry().stacks[0].layers {
            for param in &layer.params {
                match layer.copied_from {
                    None => assert_eq!(old[&param.id], new[&param.id], "{policy:?} {}", param.path),
                    Some(_) => assert!(!new.contains_key(&param.id), "{policy:?} {}", param.path),
                }
            }
        }
        assert_eq!(old.len(), new.len(), "{policy:?}: the state of all other parameters is kept");
        assert_eq!((report.state.params_inherited, report.stacks[0].zeroed), (0, 4 * 2));
    }
}

fn moments(optim: &ModuleOptimizer) -> HashMap<String, Vec<Vec<u8>>> {
    let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let mut found: HashMap<String, Vec<(String, Vec<u8>)>> = HashMap::new();
    for tensor in reader.into_tensors().unwrap() {
        let (name, _, _, id, bytes) = tensor.into_parts().unwrap();
        found.entry(id.unwrap().to_string()).or_default().push((name, bytes.to_vec()));
    }
    let in_order = |mut tensors: Vec<(String, Vec<u8>)>| {
        tensors.sort();
        tensors.into_iter().map(|(_, bytes)| bytes).collect()
    };
    found.into_iter().map(|(id, tensors)| (id, in_order(tensors))).collect()
}

/// Two growths, looked up: which parameters began as zero and where the others come from.
#[test]
fn registry_report_and_plan_tell_of_it() {
    let plan = plan().with_schedule(stages(&[(1, 2), (2, 4)], 4));
    let start = Apollo::new(Net::new(4), plan).unwrap();
    assert_eq!(start.plan().new_layers, identities());
    let mut optim = adamw();
    let mut apollo = start.clone();
    for _ in 0..6 {
        step(&mut apollo, &mut optim, 0.01);
    }
    let registry = apollo.registry();
    let layers = &registry.stacks[0].layers;
    assert_eq!(layers.iter().map(|l| l.stage).collect::<Vec<_>>(), [0, 2, 1, 2]);
    for layer in layers {
        for param in &layer.params {
            let named = param.path.starts_with("mlp.c_proj");
            assert_eq!(param.zeroed, named && layer.stage > 0, "{} {}", layer.stage, param.path);
            assert_eq!(param.parent.is_some(), !param.zeroed && layer.stage > 0, "{}", param.path);
        }
    }
    assert!(registry.to_string().contains("(zero)"), "{registry}");
    let mut again = start;
    let mut reports = Vec::new();
    for _ in 0..4 {
        let growth = step(&mut again, &mut adamw(), 0.01);
        reports.extend(growth.map(|report| report.to_string()));
    }
    assert!(reports[1].contains("2 → 4") && reports[1].contains("(4 parameters zero)"));
    // On another worker, and for a resumed run, the same.
    assert_eq!(again.registry(), registry);
    let loaded = Apollo::new(Net::new(4), self::plan().with_schedule(stages(&[(1, 2), (2, 4)], 4)));
    let loaded = load_record(loaded.unwrap(), record(&apollo));
    assert_eq!(bits(loaded.model()), bits(apollo.model()));
    assert_eq!(loaded.registry(), registry);
}

/// First copies out of order.
#[derive(Debug, Serialize)]
struct Reversed;

impl Expander for Reversed {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        let rest = std::iter::repeat_n(0, target.saturating_sub(source));
        LayerMap::new(source, (0..source).rev().chain(rest).collect())
    }
}

fn reversed() -> ExpanderConfig {
    ExpanderConfig::custom("reversed", Reversed).unwrap()
}

#[test]
fn what_cannot_begin_as_the_identity_is_refused_before_the_run() {
    let refused = |plan: Plan| {
        let plan = plan.with_schedule(stages(&[(2, 4)], 4));
        Apollo::new(Net::new(4), plan).unwrap_err()
    };
    let named = |names: &[&str]| refused(plan().with_new_layers(NewLayers::zeroed(names.to_vec())));
    let error = named(&["c_proj", "attn.c_proj"]);
    let text = error.to_string();
    let all = ["norm.gamma", "norm.beta", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight"];
    assert!(all.iter().all(|path| text.contains(path)), "{text}");
    assert!(text.contains("`new_layers`: `attn.c_proj` is no parameter of a layer"), "{text}");
    let text = named(&[]).to_string();
    assert!(text.contains("none of the names is a parameter of layer 0 of stack 0"), "{text}");
    let error = refused(plan().with_expander(reversed()));
    assert!(matches!(&error, ApolloError::Plan(PlanError { field, .. }) if field == "expander"));
    assert!(error.to_string().ends_with("found layer 0 from 1 before 0 was used"), "{error}");
    // Copies do not mind, and a run that never grows has no new layers.
    let copies = plan().with_new_layers(NewLayers::Copies).with_expander(reversed());
    assert!(Apollo::new(Net::new(4), copies.with_schedule(stages(&[(2, 4)], 4))).is_ok());
    let never = plan().with_new_layers(NewLayers::zeroed(["nothing"]));
    let never = never.with_schedule(Schedule::from_scratch(&[4]));
    assert!(Apollo::new(Net::new(4), never).is_ok());
}
