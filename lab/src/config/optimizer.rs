//! The optimizer of a run.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamWConfig, AdjustLrFn, GradientsParams, ModuleOptimizer, MuonConfig};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The optimizer of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OptimConfig {
    /// Which optimizer.
    #[serde(default, skip_serializing_if = "OptimizerKind::is_adamw")]
    pub kind: OptimizerKind,
    /// Weight decay, on every parameter.
    pub weight_decay: f64,
    /// Decay of AdamW's mean of squared gradients.
    pub beta2: f64,
    /// What AdamW adds to the root of that mean.
    pub epsilon: f64,
    /// The greatest norm of a step's gradients, all parameters together; longer ones are shortened to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

/// Which optimizer a run has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OptimizerKind {
    /// AdamW (Loshchilov & Hutter, ICLR 2019) for all parameters.
    #[default]
    AdamW,
    /// Muon (Jordan et al. 2024) for the weight matrices of the layers, whose updates are scaled to the size of AdamW's
    /// (Liu et al., arXiv 2502.16982), so that it takes the same rates; AdamW for all other parameters.
    Muon,
}

impl OptimizerKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
            Self::Muon => "muon",
        }
    }

    fn is_adamw(&self) -> bool {
        *self == Self::AdamW
    }
}

impl Default for OptimConfig {
    fn default() -> Self {
        let (kind, clip) = (OptimizerKind::AdamW, None);
        Self { kind, weight_decay: 0.01, beta2: 0.95, epsilon: 1e-8, clip }
    }
}

/// Weights of layers: under a layer's number. A group by the numbers themselves would not survive a growth.
const LAYER_WEIGHTS: &str = r"\.\d+\.(.+\.)?weight$";

/// What Muon trains.
pub(crate) fn layer_weights() -> ParamGroup {
    ParamGroup::from_regex(LAYER_WEIGHTS).expect("the pattern is well formed")
}

impl OptimConfig {
    pub(crate) fn build(&self) -> ModuleOptimizer {
        let adamw = AdamWConfig::new()
            .with_weight_decay(self.weight_decay as f32)
            .with_beta_2(self.beta2 as f32)
            .with_epsilon(self.epsilon as f32)
            .init();
        match self.kind {
            OptimizerKind::AdamW => adamw,
            OptimizerKind::Muon => {
                let muon = MuonConfig::new()
                    .with_weight_decay(Some(WeightDecayConfig::new(self.weight_decay as f32)))
                    .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
                    .build();
                adamw.with_group(layer_weights(), muon, None)
            }
        }
    }

    /// The gradients of `model`, shortened to the greatest norm; the device is not asked for a number.
    pub(crate) fn clipped<M: Module>(&self, grads: GradientsParams, model: &M) -> GradientsParams {
        let Some(clip) = self.clip else { return grads };
        let mut squares = Squares { grads: &grads, sums: Vec::new() };
        model.visit(&mut squares);
        if squares.sums.is_empty() {
            return grads;
        }
        let norm = Tensor::cat(squares.sums, 0).sum().sqrt();
        let factor = norm.add_scalar(1e-6).recip().mul_scalar(clip).clamp_max(1.0);
        let mut scale = Scale { grads, factor, scaled: GradientsParams::new() };
        model.visit(&mut scale);
        scale.scaled
    }
}

/// The sum of squares of every gradient, `[1]`.
struct Squares<'a> {
    grads: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let grad = self.grads.get::<D>(param.id);
        self.sums.extend(grad.map(|grad| grad.powi_scalar(2).sum()));
    }
}

struct Scale {
    grads: GradientsParams,
    factor: Tensor<1>,
    scaled: GradientsParams,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let factor = self.factor.clone().reshape([1; D]);
            self.scaled.register(param.id, grad * factor);
        }
    }
}
