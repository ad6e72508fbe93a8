//! What holds for every kind of layer: the depth that runs, what a growth makes, what a record restores.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleDisplay, ModuleVisitor, Param, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Bool, Device, FloatDType, Int, Tensor, TensorData};
use burn::train::Interrupter;
use burn_apollo::expand::Stacking;
use burn_apollo::optim::MomentPolicy;
use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
use burn_apollo::train::Trainable;
use burn_apollo::{
    Apollo, Plan,
    apollo::{GrowthReport, InferenceDepth},
};
use burn_pack::Reader;

use crate::support::{
    WIDTH, adamw, batch, device, grads_of, load_record, record, record_bytes, stages,
};

/// A kind of layer.
pub trait Kind: Module + ModuleDisplay {
    /// The precision of its parameters.
    const PRECISION: FloatDType = FloatDType::F32;

    /// The layer of the given place.
    fn new(index: usize, device: &Device) -> Self;

    fn forward(&self, x: Tensor<2>) -> Tensor<2>;
}

#[derive(Module, Debug)]
pub struct Model<L: Module> {
    pub blocks: LayerStack<L>,
    pub head: Linear,
}

impl<L: Kind> Growable for Model<L> {
    fn stacks(&self) -> Vec<&dyn GrowableStack> {
        vec![&self.blocks]
    }

    fn stacks_mut(&mut self) -> Vec<&mut dyn GrowableStack> {
        vec![&mut self.blocks]
    }
}

impl<L: Kind> Model<L> {
    pub fn new(layers: usize, device: &Device) -> Self {
        let head = LinearConfig::new(WIDTH, WIDTH).init(device);
        Self { blocks: (0..layers).map(|i| L::new(i, device)).collect(), head }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.blocks.iter().fold(x.cast(L::PRECISION), |x, block| block.forward(x));
        self.head.forward(x.cast(self.head.weight.val().dtype()))
    }

    pub fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let target = x.clone().flip([1]);
        (self.forward(x) - target).powi_scalar(2).mean()
    }

    /// The output, with what the device draws on the way.
    fn output(&self, x: &Tensor<2>) -> TensorData {
        x.device().seed(99);
        self.forward(x.clone()).into_data()
    }

    /// The same model around a plain stack of tied copies.
    fn tied(&self, order: &[usize], device: &Device) -> Self {
        let layers = self.blocks.layers();
        let copies: Vec<L> = order.iter().map(|i| layers[*i].clone().fork(device)).collect();
        Self { blocks: copies.into(), head: self.head.clone() }
    }
}

/// Tests of one process share the device's random generator.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for the turn to draw.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const LAYERS: usize = 6;

fn plan() -> Plan {
    Plan::new(20)
        .with_schedule(stages(&[(2, 4), (4, 8)], LAYERS))
        .with_expander(Stacking)
        .with_moments(MomentPolicy::Copy)
        .with_seed(3)
}

/// Trains a stack of the kind 2 → 4 → 6 layers and looks at everything on the way.
pub fn contract<L: Kind>() {
    let _turn = turn();
    device().seed(1);
    let mut optim = adamw();
    let mut apollo = Apollo::new(Model::<L>::new(LAYERS, &device()), plan()).unwrap();
    let mut growths = 0;
    for step in 0..12 {
        runs_as_tied_copies(&apollo);
        let before = apollo.clone();
        let growth = step_of(&mut apollo, &mut optim);
        if growth.is_some() {
            growths += 1;
            copies_are_right(&apollo, &optim);
            gradients_arrive(&apollo);
            let back = load_record(apollo.clone(), record(&before));
            assert_eq!(held(back.model()), held(before.model()), "an earlier stage's record");
        }
        if step % 3 == 0 || growth.is_some() {
            record_restores(&apollo, &optim);
        }
    }
    assert_eq!((growths, apollo.unique_layers()), (2, LAYERS));
    let inner = apollo.into_inner().unwrap();
    let plain = Model::<L>::new(LAYERS, &device()).load_record(inner.clone().into_record());
    assert_eq!(held(&plain), held(&inner), "the plain model's record");
}

/// A step, which must succeed; gives the growth that followed.
pub fn step_of<L: Kind>(
    apollo: &mut Apollo<Model<L>>,
    optim: &mut ModuleOptimizer,
) -> Option<GrowthReport> {
    let loss = apollo.model().loss(batch(apollo.step_count(), &device()));
    let grads = grads_of(&loss, apollo);
    apollo.update(optim, 0.01, grads).unwrap().growth
}

/// At every depth, in training and in inference, a stack runs as a plain one of tied copies, bit for bit.
fn runs_as_tied_copies<L: Kind>(apollo: &Apollo<Model<L>>) {
    let (training, inference) = (device(), device().inner());
    for depth in apollo.unique_layers()..=LAYERS {
        let mut deep = apollo.clone();
        deep.set_depth(depth).unwrap();
        let deep = deep.model();
        let plain = deep.tied(deep.blocks.order(), &training);
        assert_eq!(plain.blocks.depth(), depth);
        let x = batch(70, &training);
        assert_eq!(deep.output(&x), plain.output(&x), "training at depth {depth}");

        let deep = apollo.at_depth(InferenceDepth::At(depth)).unwrap();
        let plain = deep.tied(deep.blocks.order(), &inference).valid();
        let x = batch(71, &inference);
        assert_eq!(deep.output(&x), plain.output(&x), "inference at depth {depth}");
    }
}

/// After a growth: copies equal their source under ids of their own, and so does their optimizer state.
fn copies_are_right<L: Kind>(apollo: &Apollo<Model<L>>, optim: &ModuleOptimizer) {
    let (registry, states) = (apollo.registry(), states(optim));
    let layers = &registry.stacks[0].layers;
    let trained = Trained::of(apollo.model());
    let values = held(apollo.model());
    for (place, layer) in layers.iter().enumerate() {
        for param in &layer.params {
            let what = format!("layer {place} {}", param.path);
            let id = ParamId::from(param.id.parse::<u64>().unwrap());
            let state = states.get(&id.val());
            assert_eq!(state.is_some(), trained.0.contains(&id), "{what}: optimizer state");
            let Some(source) = layer.copied_from.filter(|_| layer.stage == apollo.stage()) else {
                continue;
            };
            let parent = param.parent.as_ref().unwrap().parse::<u64>().unwrap();
            assert_eq!(state, states.get(&parent), "{what}: inherited state");
            let value = |place: usize| values.get(&format!("blocks.{place}.{}", param.path));
            let bits = |place: usize| value(place).map(|(_, bits)| bits);
            assert_eq!(bits(place), bits(source), "{what}: value");
        }
    }
    let (mut all, mut ids) = (Ids::default(), HashSet::new());
    apollo.model().blocks.visit(&mut all);
    for (path, id) in all.found {
        // Burn keeps the ids of running statistics.
        assert!(path.contains("running_") || ids.insert(id), "{path}: an id of its own");
    }
}

/// Every parameter that is trained gets a gradient, and no other one.
fn gradients_arrive<L: Kind>(apollo: &Apollo<Model<L>>) {
    let mut apollo = apollo.clone();
    apollo.set_depth(apollo.unique_layers()).unwrap();
    let grads = grads_of(&apollo.model().loss(batch(72, &device())), &apollo);
    apollo.model().visit(&mut Arrives { grads: &grads, path: Vec::new() });
    assert_eq!(grads.len(), Trained::of(apollo.model()).0.len());
}

/// A freshly built model of the first stage takes the record up and goes on bit for bit.
fn record_restores<L: Kind>(apollo: &Apollo<Model<L>>, optim: &ModuleOptimizer) {
    // Burn's running statistics write down the value before the last update until they are looked at.
    drop(apollo.model().valid());
    let bytes = record_bytes(apollo);
    let fresh = Apollo::new(Model::<L>::new(LAYERS, &device()), plan()).unwrap();
    let restored = load_record(fresh, ModuleRecord::from_bytes(bytes).unwrap());
    let (found, expected) = (held(restored.model()), held(apollo.model()));
    assert_eq!(found, expected, "restored at {}", apollo.step_count());
    let next = |mut apollo: Apollo<Model<L>>| {
        device().seed(7);
        step_of(&mut apollo, &mut optim.clone());
        drop(apollo.model().valid());
        held(apollo.model())
    };
    // The running run is stepped on a copy of its own: running statistics are shared by clones.
    let running = Trainable::new(apollo.clone(), Interrupter::new()).valid().train();
    let running = running.into_apollo().unwrap();
    assert_eq!(next(restored), next(running), "after {} steps", apollo.step_count());
}

/// Values by path, with ids where Burn keeps them: running statistics have ids that no record restores.
fn held(module: &impl Module) -> BTreeMap<String, (Option<ParamId>, Vec<u32>)> {
    let params = crate::support::parameters(module).into_iter();
    params
        .map(|(path, (id, bits))| {
            let id = (!path.contains("running_")).then_some(id);
            (path, (id, bits))
        })
        .collect()
}

type State = BTreeMap<String, Vec<u8>>;

/// The tensors of the optimizer's state by parameter and field.
pub fn states(optim: &ModuleOptimizer) -> HashMap<u64, State> {
    let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let mut states: HashMap<u64, State> = HashMap::new();
    for tensor in reader.into_tensors().unwrap() {
        let (name, _, _, id, bytes) = tensor.into_parts().unwrap();
        let (_, field) = name.split_once('.').unwrap();
        states.entry(id.unwrap()).or_default().insert(field.to_owned(), bytes.to_vec());
    }
    states
}

/// Ids of the parameters that require gradients.
#[derive(Default)]
struct Trained(HashSet<ParamId>);

impl Trained {
    fn of(module: &impl Module) -> Self {
        let mut trained = Self::default();
        module.visit(&mut trained);
        trained
    }
}

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.base().is_require_grad() {
            self.0.insert(param.id);
        }
    }
}

/// Path and id of every parameter of any type.
#[derive(Default)]
struct Ids {
    path: Vec<String>,
    found: Vec<(String, ParamId)>,
}

impl Ids {
    fn add(&mut self, id: ParamId) {
        self.found.push((self.path.join("."), id));
    }
}

impl ModuleVisitor for Ids {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(param.id);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.id);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.id);
    }
}

struct Arrives<'a> {
    grads: &'a GradientsParams,
    path: Vec<String>,
}

impl ModuleVisitor for Arrives<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let arrives = self.grads.get::<D>(param.id).is_some();
        assert_eq!(arrives, param.base().is_require_grad(), "{}", self.path.join("."));
    }
}
