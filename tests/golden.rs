//! The published architecture of GPT-2 against reference values that PyTorch and transformers computed
//! in float64 (`tests/data/golden/make.py`): losses, logits and gradients at virtual depths, and whole
//! training runs with a growth.

#[path = "../examples/common/gpt.rs"]
mod gpt;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_apollo::expand::{Interpolation, Stacking};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::{Apollo, ApolloConfig};
use gpt::{Gpt, GptConfig};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    input_ids: Vec<Vec<i64>>,
    unique_layers: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    map_kind: String,
    depth: usize,
    map: Vec<usize>,
    loss: f64,
    logits_0_0: Vec<f64>,
    logits_1_15: Vec<f64>,
    grads: Option<BTreeMap<String, Values>>,
}

#[derive(Deserialize)]
struct Values {
    norm: f64,
    first: Vec<f64>,
}

#[derive(Deserialize)]
struct Trajectory {
    policy: MomentPolicy,
    grow_before_step: u64,
    layers: [usize; 2],
    depths: Vec<usize>,
    losses: Vec<f64>,
    #[serde(rename = "final")]
    last: BTreeMap<String, Values>,
}

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/gpt2").join(file)
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(golden(file)).unwrap()).unwrap()
}

/// The reference model, built at 12 layers of which the checkpoint fills the first three.
fn reference(device: &Device) -> Gpt {
    let config = GptConfig {
        vocabulary: 61,
        positions: 32,
        width: 24,
        heads: 3,
        layers: 12,
        embedding_std: 0.02,
        linear_std: 0.02,
        dropout: 0.0,
    };
    let mut model = config.init(device);
    let mut store = SafetensorsStore::from_file(golden("model.safetensors"))
        .with_key_remapping(r"^transformer\.", "")
        .with_key_remapping(r"(ln_[12f])\.weight$", "$1.gamma")
        .with_key_remapping(r"(ln_[12f])\.bias$", "$1.beta")
        .allow_partial(true);
    let loaded = model.load_from(&mut store).unwrap();
    assert!(loaded.unused.is_empty(), "{loaded:?}");
    assert_eq!(loaded.applied.len(), 2 + 3 * 12 + 2);
    model
}

/// Inputs and targets: the reference predicts each token from those before it.
fn batch(ids: &[Vec<i64>], device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let all = tokens(ids, device);
    let [rows, seq] = all.dims();
    (all.clone().slice([0..rows, 0..seq - 1]), all.slice([0..rows, 1..seq]))
}

fn tokens(ids: &[Vec<i64>], device: &Device) -> Tensor<2, Int> {
    let flat: Vec<i64> = ids.concat();
    Tensor::from_data(TensorData::new(flat, [ids.len(), ids[0].len()]), device)
}

fn close(found: f64, expected: f64, relative: f64, scale: f64, what: &str) {
    let error = (found - expected).abs() / scale.max(expected.abs());
    assert!(error <= relative, "{what}: {found} against {expected}, relative error {error:.2e}");
}

/// The reference's name of a parameter path.
fn reference_name(path: &str) -> String {
    let path = path.replace(".gamma", ".weight").replace(".beta", ".bias");
    format!("transformer.{path}")
}

/// Norm and first values by the reference's names, of the parameters or of their gradients.
struct Collect<'a> {
    grads: Option<&'a GradientsParams>,
    path: Vec<String>,
    found: BTreeMap<String, Values>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.grads {
            Some(grads) => grads.get::<D>(param.id).unwrap_or_else(|| panic!("{:?}", self.path)),
            None => param.val().inner(),
        };
        let values: Vec<f64> = tensor.into_data().iter::<f64>().collect();
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let first = values[..6].to_vec();
        self.found.insert(reference_name(&self.path.join(".")), Values { norm, first });
    }
}

fn compare(
    module: &impl Module,
    grads: Option<&GradientsParams>,
    expected: &BTreeMap<String, Values>,
    relative: f64,
    what: &str,
) {
    let mut collect = Collect { grads, path: Vec::new(), found: BTreeMap::new() };
    module.visit(&mut collect);
    assert_eq!(
        collect.found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{what}: parameters"
    );
    for (name, values) in expected {
        let found = &collect.found[name];
        let scale = values.norm / 10.0;
        close(found.norm, values.norm, relative, 0.0, &format!("{what}: norm of {name}"));
        for (f, e) in found.first.iter().zip(&values.first) {
            close(*f, *e, relative, scale, &format!("{what}: {name}"));
        }
    }
}

#[test]
fn losses_logits_and_gradients_at_virtual_depths() {
    let device = Device::flex().autodiff();
    let reference_cases: Cases = read("cases.json");
    let (inputs, targets) = batch(&reference_cases.input_ids, &device);
    for case in &reference_cases.cases {
        let schedule = Schedule::one_hop(&[reference_cases.unique_layers], &[12], 0.5);
        let config = ApolloConfig::new(2).with_schedule(schedule);
        let config = match case.map_kind.as_str() {
            "interpolation" => config.with_expander(Interpolation),
            _ => config.with_expander(Stacking),
        };
        let mut apollo = Apollo::new(reference(&device), config).unwrap();
        apollo.set_depth(case.depth).unwrap();
        let what = format!("{} at depth {}", case.map_kind, case.depth);
        assert_eq!(apollo.registry().stacks[0].order, case.map, "{what}");

        let logits = apollo.forward(tokens(&reference_cases.input_ids, &device)).into_data();
        let logits: Vec<f64> = logits.iter::<f64>().collect();
        for (row, expected) in [(0, &case.logits_0_0), (31, &case.logits_1_15)] {
            for (found, expected) in logits[row * 61..].iter().zip(expected) {
                close(*found, *expected, 1e-4, 1.0, &format!("{what}: logits of row {row}"));
            }
        }
        let loss = apollo.loss(inputs.clone(), targets.clone());
        close(loss.clone().into_scalar::<f64>(), case.loss, 1e-4, 0.0, &format!("{what}: loss"));
        if let Some(expected) = &case.grads {
            let grads = GradientsParams::from_grads(loss.backward(), &apollo);
            compare(apollo.model(), Some(&grads), expected, 1e-4, &what);
        }
    }
}

#[test]
fn training_runs_with_a_growth_under_every_moment_policy() {
    let device = Device::flex().autodiff();
    let reference_cases: Cases = read("cases.json");
    let (inputs, targets) = batch(&reference_cases.input_ids, &device);
    let stage = |layers, step| Stage { layers: vec![layers], until: Some(Until::Step(step)) };
    for run in read::<Vec<Trajectory>>("trajectory.json") {
        let steps = run.depths.len() as u64;
        let [first, second] = run.layers;
        let stages = vec![
            stage(first, run.grow_before_step),
            stage(second, steps + 1),
            stage(12, steps + 2),
        ];
        let config = ApolloConfig::new(steps + 2)
            .with_schedule(Schedule { stages })
            .with_moments(run.policy);
        let mut apollo = Apollo::new(reference(&device), config).unwrap();
        let mut optim = AdamWConfig::new().with_weight_decay(0.01).with_epsilon(1e-8).init();
        for (step, (depth, expected)) in run.depths.iter().zip(&run.losses).enumerate() {
            apollo.set_depth(*depth).unwrap();
            let loss = apollo.loss(inputs.clone(), targets.clone());
            let found = loss.clone().into_scalar::<f64>();
            close(found, *expected, 1e-3, 0.0, &format!("{:?}: loss of step {step}", run.policy));
            let grads = GradientsParams::from_grads(loss.backward(), &apollo);
            apollo = apollo.optimize(&mut optim, 1e-3, grads);
            let grown = apollo.growth().unwrap().is_some();
            assert_eq!(grown, step as u64 + 1 == run.grow_before_step);
        }
        compare(apollo.model(), None, &run.last, 1e-3, &format!("{:?}: final", run.policy));
    }
}
