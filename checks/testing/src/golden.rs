//! Reference values that PyTorch and transformers computed in float64 (`../shared/tests/data/golden/make.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apollo_examples::hf::{BERT, GPT2, Layout};
use apollo_examples::models::bert::{Bert, BertConfig};
use apollo_examples::models::gpt::{Gpt, GptConfig};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::store::{ModuleSnapshot, bridge};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::stack::Growable;
use serde::Deserialize;

/// Tokens of both reference models.
pub const VOCABULARY: usize = 61;

#[derive(Deserialize)]
pub struct Cases {
    pub input_ids: Vec<Vec<i64>>,
    pub labels: Vec<Vec<i64>>,
    pub unique_layers: usize,
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Case {
    pub map_kind: String,
    pub depth: usize,
    pub map: Vec<usize>,
    pub loss: f64,
    pub logits_0_0: Vec<f64>,
    pub logits_1_15: Vec<f64>,
    pub grads: Option<BTreeMap<String, Values>>,
}

#[derive(Deserialize)]
pub struct Values {
    pub norm: f64,
    pub first: Vec<f64>,
}

#[derive(Deserialize)]
pub struct Trajectory {
    pub policy: MomentPolicy,
    pub grow_before_step: u64,
    pub layers: [usize; 2],
    pub depths: Vec<usize>,
    pub losses: Vec<f64>,
    #[serde(rename = "final")]
    pub last: BTreeMap<String, Values>,
}

/// A kind of model that the references know.
pub trait Reference: Module + Growable {
    /// Folder of its references.
    const FOLDER: &'static str;
    const LAYOUT: &'static Layout;

    /// A model of 12 layers that starts at random.
    fn random(device: &Device) -> Self;

    fn logits(&self, ids: Tensor<2, Int>) -> Tensor<2>;

    /// The loss of the references' batch.
    fn reference_loss(&self, cases: &Cases, device: &Device) -> Tensor<1>;

    /// The reference model: 12 layers of which the checkpoint fills the first three.
    fn reference(device: &Device) -> Self {
        let mut model = Self::random(device);
        let file = Self::folder().join("model.safetensors");
        let loaded = Self::LAYOUT.load_part(&file, &mut model).unwrap();
        assert!(loaded.unused.is_empty(), "{loaded:?}");
        model
    }

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../examples/shared/tests/data/golden")
            .join(Self::FOLDER)
    }

    fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
        serde_json::from_str(&std::fs::read_to_string(Self::folder().join(file)).unwrap()).unwrap()
    }
}

impl Reference for Gpt {
    const FOLDER: &'static str = "gpt2";
    const LAYOUT: &'static Layout = &GPT2;

    fn random(device: &Device) -> Self {
        GptConfig {
            vocabulary: VOCABULARY,
            positions: 32,
            width: 24,
            heads: 3,
            layers: 12,
            embedding_std: 0.02,
            linear_std: 0.02,
            dropout: 0.0,
        }
        .init(device)
    }

    fn logits(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        self.forward(ids)
    }

    /// The reference predicts each token from those before it.
    fn reference_loss(&self, cases: &Cases, device: &Device) -> Tensor<1> {
        let all = tokens(&cases.input_ids, device);
        let [rows, seq] = all.dims();
        self.loss(all.clone().slice([0..rows, 0..seq - 1]), all.slice([0..rows, 1..seq]))
    }
}

impl Reference for Bert {
    const FOLDER: &'static str = "bert";
    const LAYOUT: &'static Layout = &BERT;

    fn random(device: &Device) -> Self {
        BertConfig {
            vocabulary: VOCABULARY,
            positions: 32,
            token_types: 2,
            width: 24,
            heads: 3,
            layers: 12,
            dropout: 0.0,
            std: 0.02,
        }
        .init(device)
    }

    fn logits(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        self.forward(ids)
    }

    fn reference_loss(&self, cases: &Cases, device: &Device) -> Tensor<1> {
        self.loss(tokens(&cases.input_ids, device), tokens(&cases.labels, device))
    }
}

pub fn tokens(ids: &[Vec<i64>], device: &Device) -> Tensor<2, Int> {
    let flat: Vec<i64> = ids.concat();
    Tensor::from_data(TensorData::new(flat, [ids.len(), ids[0].len()]), device)
}

pub fn close(found: f64, expected: f64, relative: f64, scale: f64, what: &str) {
    let error = (found - expected).abs() / scale.max(expected.abs());
    assert!(error <= relative, "{what}: {found} against {expected}, relative error {error:.2e}");
}

/// Every float parameter by path: its bits.
pub fn bits(module: &impl Module) -> BTreeMap<String, Vec<u32>> {
    let tensors = module.collect(None, None, false).into_iter();
    let bits = |data: TensorData| data.iter::<f32>().map(f32::to_bits).collect();
    tensors.map(|t| (t.name.clone(), bits(bridge::to_data(&t).unwrap()))).collect()
}

/// The logits `[32, 61]` of the references' batch against those that a case holds.
pub fn compare_logits(logits: Tensor<2>, case: &Case, what: &str) {
    let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
    for (row, expected) in [(0, &case.logits_0_0), (31, &case.logits_1_15)] {
        for (found, expected) in logits[row * VOCABULARY..].iter().zip(expected) {
            close(*found, *expected, 1e-4, 1.0, &format!("{what}: logits of row {row}"));
        }
    }
}

/// Norm and first values of the parameters, or of their gradients, as the references lay them out.
pub fn compare<R: Reference>(
    module: &R,
    grads: Option<&GradientsParams>,
    expected: &BTreeMap<String, Values>,
    relative: f64,
    what: &str,
) {
    let mut collect = Collect {
        grads,
        layout: R::LAYOUT,
        path: Vec::new(),
        containers: Vec::new(),
        found: BTreeMap::new(),
    };
    module.visit(&mut collect);
    assert_eq!(
        collect.found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{what}: parameters"
    );
    for (name, values) in expected {
        let found = &collect.found[name];
        if name.ends_with(".attention.self.key.bias") {
            compare_key_bias(found, values, grads.is_some(), &format!("{what}: {name}"));
            continue;
        }
        let scale = values.norm / 10.0;
        close(found.norm, values.norm, relative, 0.0, &format!("{what}: norm of {name}"));
        for (f, e) in found.first.iter().zip(&values.first) {
            close(*f, *e, relative, scale, &format!("{what}: {name}"));
        }
    }
}

/// The loss does not depend on the bias of attention's keys: it adds the same to all scores of a query,
/// and softmax takes that away. So its gradient is rounding alone (1e-17 in the references), which Adam
/// then scales up to steps. Neither has a relative error to speak of: a final value may lie as far off as
/// 16 steps at a rate of 1e-3 can move it.
fn compare_key_bias(found: &Values, expected: &Values, gradient: bool, what: &str) {
    let bound = if gradient { 1e-7 } else { 16.0 * 1e-3 };
    let pairs = found.first.iter().zip(&expected.first);
    for (f, e) in pairs.chain([(&found.norm, &expected.norm)]) {
        assert!((f - e).abs() <= bound, "{what}: {f} against {e}");
    }
}

struct Collect<'a> {
    grads: Option<&'a GradientsParams>,
    layout: &'a Layout,
    path: Vec<String>,
    containers: Vec<String>,
    found: BTreeMap<String, Values>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.grads {
            Some(grads) => grads.get::<D>(param.id).unwrap_or_else(|| panic!("{:?}", self.path)),
            None => param.val().inner(),
        };
        let linear = self.containers.last().is_some_and(|c| c == "Struct:Linear");
        let tensor = match self.layout.transposed && linear && D == 2 {
            true => tensor.transpose(),
            false => tensor,
        };
        let values: Vec<f64> = tensor.into_data().iter::<f64>().collect();
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let first = values[..6].to_vec();
        self.found.insert(self.layout.file_name(&self.path.join(".")), Values { norm, first });
    }
}
