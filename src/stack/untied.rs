use std::collections::{HashMap, HashSet};

use burn::module::{ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::{Growable, ParamOrigin, stacks_mut};

/// A model whose every virtual layer is a layer of its own: the plain stack that the shared one stands for.
///
/// A shared layer's gradient is the sum over its uses; here each use has parameters, ids and a gradient of its own.
/// [`gradients`](Self::gradients) gives them, [`tie`](Self::tie) sums them up again, so that a training step can take
/// this model in place of the shared one and measure at no further pass. The values of the parameters are shared until
/// somebody writes to them; gradients take the memory of the virtual depth.
///
/// Running statistics are copies: a pass here leaves those of the shared model as they
/// are. It can be made in a hand-written loop (`Untied::new(apollo.model())`), or from the model inside
/// burn-train's `TrainStep::step`, at the depth that the model runs at.
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor}};
/// use burn::optim::GradientsParams;
/// use burn_apollo::stack::{LayerStack, Untied};
/// use burn_apollo::{Apollo, Plan, growable};
/// # #[derive(Module, Debug)]
/// # struct Mlp { blocks: LayerStack<Linear> }
/// # growable!(Mlp { blocks });
/// # impl Mlp {
/// #     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
/// #         self.blocks.iter().fold(x, |x, block| x.clone() + block.forward(x).tanh())
/// #     }
/// # }
/// # let device = Device::default().autodiff();
/// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// let mut apollo = Apollo::new(mlp, Plan::new(20))?;
/// apollo.set_depth(3)?; // one layer, used three times
/// let x = Tensor::random([2, 8], Distribution::Default, &device);
///
/// let untied = Untied::new(apollo.model());
/// let loss = untied.model().forward(x).powi_scalar(2).mean();
/// let grads = GradientsParams::from_grads(loss.backward(), untied.model());
/// let uses: Vec<Tensor<1>> = untied.gradients(&grads).remove(0);
/// assert_eq!(uses.len(), 3);
/// let cosine = |a: &Tensor<1>, b: &Tensor<1>| {
///     let dot = |a: &Tensor<1>, b: &Tensor<1>| (a.clone() * b.clone()).sum().into_scalar::<f64>();
///     dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
/// };
/// println!("neighbours agree by {:.2} and {:.2}", cosine(&uses[0], &uses[1]), cosine(&uses[1], &uses[2]));
/// let grads = untied.tie(grads); // as the shared model's own backward pass gives them
/// # assert_eq!(grads.len(), 2);
/// # Ok::<(), burn_apollo::apollo::ApolloError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Untied<M> {
    shared: M,
    model: M,
    layers: Vec<Vec<Vec<ParamOrigin>>>,
}

impl<M: Growable> Untied<M> {
    /// Unties `model` at the depth that it runs at now.
    ///
    /// Ids of the copies follow from their sources' and their place, the same on every device.
    pub fn new(model: &M) -> Self {
        let (shared, mut model) = (model.clone(), model.clone());
        let layers = stacks_mut(&mut model).into_iter().map(|stack| stack.untie()).collect();
        Self { shared, model, layers }
    }

    /// The untied model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The gradient of every virtual layer, stack by stack: that of its parameters in the layer's own order, in one
    /// row. A parameter without gradient counts as zeros.
    pub fn gradients(&self, grads: &GradientsParams) -> Vec<Vec<Tensor<1>>> {
        let wanted = self.layers.iter().flatten().flatten().map(|param| param.id).collect();
        let mut flat = Flat { grads, wanted, found: HashMap::new() };
        self.model.visit(&mut flat);
        let device = self.model.devices().into_iter().next().unwrap_or_default().inner();
        let layer = |params: &Vec<ParamOrigin>| {
            let parts: Vec<_> =
                params.iter().filter_map(|p| flat.found.get(&p.id)).cloned().collect();
            match parts.is_empty() {
                true => Tensor::empty([0], &device),
                false => Tensor::cat(parts, 0),
            }
        };
        self.layers.iter().map(|stack| stack.iter().map(layer).collect()).collect()
    }

    /// The gradients of the shared model: those of the uses of a layer summed up, all others as they are.
    pub fn tie(&self, grads: GradientsParams) -> GradientsParams {
        let mut uses: HashMap<ParamId, Vec<ParamId>> = HashMap::new();
        // The last use first, as a backward pass meets them: sums are then equal to the last bit.
        for origin in self.layers.iter().flatten().rev().flatten() {
            uses.entry(origin.parent.unwrap_or(origin.id)).or_default().push(origin.id);
        }
        let mut tie = Tie { uses, grads, tied: GradientsParams::new() };
        self.shared.visit(&mut tie);
        tie.tied
    }
}

struct Flat<'a> {
    grads: &'a GradientsParams,
    wanted: HashSet<ParamId>,
    found: HashMap<ParamId, Tensor<1>>,
}

impl ModuleVisitor for Flat<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.wanted.contains(&param.id) {
            return;
        }
        let grad = self.grads.get::<D>(param.id).unwrap_or_else(|| {
            let value = param.val();
            let value = if value.is_autodiff() { value.inner() } else { value };
            value.zeros_like()
        });
        let size = grad.shape().num_elements();
        self.found.insert(param.id, grad.reshape([size]));
    }
}

struct Tie {
    uses: HashMap<ParamId, Vec<ParamId>>,
    grads: GradientsParams,
    tied: GradientsParams,
}

impl ModuleVisitor for Tie {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let uses = self.uses.remove(&param.id).unwrap_or_else(|| vec![param.id]);
        let grads = uses.into_iter().filter_map(|id| self.grads.remove::<D>(id));
        if let Some(sum) = grads.reduce(|sum, grad| sum + grad) {
            self.tied.register(param.id, sum);
        }
    }
}
