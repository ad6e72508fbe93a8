//! The recipe of `docs/ema.md`: a moving average of the weights, through growths and resumes.

mod support;

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::store::ModuleRecord;
use burn::tensor::Tensor;
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::expand::Stacking;
use burn_apollo::stack::Growable;
use burn_apollo::{Apollo, Plan};
use support::{adamw, apollo, bits, stages, train_step};

// From here to the tests, docs/ema.md quotes this file.

/// Averages of a run's parameters, by id.
struct Ema {
    decay: f32,
    averages: HashMap<ParamId, Tensor<1>>,
}

impl Ema {
    /// Begins with the parameters of `model`.
    fn new<M: Module>(decay: f32, model: &M) -> Self {
        let mut ema = Self { decay, averages: HashMap::new() };
        ema.average(model, &HashMap::new());
        ema
    }

    /// After every `Apollo::update`. What a growth has just copied begins with the average of its source.
    fn update<M: Growable>(&mut self, apollo: &Apollo<M>) {
        let mut sources = HashMap::new();
        for layer in apollo.registry().stacks.into_iter().flat_map(|stack| stack.layers) {
            for param in layer.params {
                let id = |text: String| text.parse::<u64>().ok().map(ParamId::from);
                if let (Some(own), Some(source)) = (id(param.id), param.parent.and_then(id)) {
                    sources.insert(own, source);
                }
            }
        }
        self.average(&apollo.model().valid(), &sources);
    }

    fn average<M: Module>(&mut self, model: &M, sources: &HashMap<ParamId, ParamId>) {
        let mut next = Next { ema: self, sources, averages: HashMap::new() };
        model.visit(&mut next);
        self.averages = next.averages;
    }

    /// The run's model as it is for inference, with the averages in place of its parameters.
    fn model<M: Growable>(&self, apollo: &Apollo<M>) -> M {
        apollo.model().valid().map(&mut Averaged(&self.averages))
    }
}

struct Next<'a> {
    ema: &'a Ema,
    sources: &'a HashMap<ParamId, ParamId>,
    averages: HashMap<ParamId, Tensor<1>>,
}

impl ModuleVisitor for Next<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().reshape([-1]);
        let source = || self.sources.get(&param.id);
        let of = |id: &ParamId| self.ema.averages.get(id).cloned();
        let average = match of(&param.id).or_else(|| source().and_then(of)) {
            Some(average) => average * self.ema.decay + value * (1.0 - self.ema.decay),
            None => value,
        };
        self.averages.insert(param.id, average);
    }
}

struct Averaged<'a>(&'a HashMap<ParamId, Tensor<1>>);

impl ModuleMapper for Averaged<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.get(&param.id).cloned() {
            Some(average) => param.map(|value| average.reshape(value.dims())),
            None => param,
        }
    }
}

// The tests.

/// Grows by stacking, so that sources are not neighbours.
fn plan() -> Plan {
    Plan::new(12).with_schedule(stages(&[(1, 3), (2, 6)], 4)).with_expander(Stacking)
}

fn values(model: &impl Module) -> HashMap<String, Vec<f32>> {
    let floats = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
    bits(model).into_iter().map(|(path, bits)| (path, floats(bits))).collect()
}

/// Every weight is the average over its own steps and, before the growth that made it, over its source's.
#[test]
fn averages_go_through_growths() {
    let (mut run, mut optim) = (apollo(4, plan()), adamw());
    let mut ema = Ema::new(0.9, &run.model().valid());
    let mut averages = values(run.model());
    for _ in 0..12 {
        train_step(&mut run, &mut optim, 0.01);
        ema.update(&run);
        let layers = run.unique_layers();
        let before = averages.clone();
        averages = values(run.model())
            .into_iter()
            .map(|(path, now)| {
                let source = |path: &str| {
                    let (_, rest) = path.strip_prefix("blocks.")?.split_once('.')?;
                    let place: usize = path.split('.').nth(1)?.parse().ok()?;
                    Some(format!("blocks.{}.{rest}", place - layers / 2))
                };
                let old = before.get(&path).unwrap_or_else(|| &before[&source(&path).unwrap()]);
                let average = old.iter().zip(&now).map(|(old, now)| old * 0.9 + now * 0.1);
                (path, average.collect())
            })
            .collect();
    }
    assert_eq!(run.unique_layers(), 4);
    let found = values(&ema.model(&run));
    assert_eq!(found.len(), averages.len());
    for (path, expected) in averages {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(found[&path].iter().zip(&expected).all(near), "{path}");
        assert_ne!(found[&path], values(run.model())[&path], "{path}");
    }
}

#[test]
fn averages_resume_from_a_file_beside_the_set() {
    let dir = tempfile::tempdir().unwrap();
    let (mut whole, mut optim) = (apollo(4, plan()), adamw());
    let mut ema = Ema::new(0.9, &whole.model().valid());
    let store = CheckpointStore::open(dir.path().join("sets"), Retention::default()).unwrap();
    let scheduler = || plan().lr.scheduler(0.01, 12).unwrap();
    for step in 1..=12 {
        train_step(&mut whole, &mut optim, 0.01);
        ema.update(&whole);
        if step == 5 {
            let file = dir.path().join(format!("ema-{step}.bpk"));
            ema.model(&whole).into_record().save(file).unwrap();
            store.save(Snapshot::new(&whole, &optim, &scheduler()).unwrap()).unwrap();
        }
    }

    let set = store.latest_good().unwrap().unwrap().set;
    let (mut run, mut optim, _) = set.load(apollo(4, plan()), adamw(), scheduler()).unwrap();
    let file = dir.path().join(format!("ema-{}.bpk", run.step_count()));
    let averaged = run.model().valid().try_load_record(ModuleRecord::load(file).unwrap()).unwrap();
    let mut again = Ema::new(0.9, &averaged);
    while run.step_count() < 12 {
        train_step(&mut run, &mut optim, 0.01);
        again.update(&run);
    }
    assert_eq!(bits(run.model()), bits(whole.model()));
    assert_eq!(bits(&again.model(&run)), bits(&ema.model(&whole)));
}

/// The page and this file say the same.
#[test]
fn the_page_quotes_this_file() {
    let (page, file) = (include_str!("../docs/ema.md"), include_str!("ema.rs"));
    let (_, code) = file.split_once("docs/ema.md quotes this file.\n").unwrap();
    let (code, _) = code.split_once("// The tests.").unwrap();
    assert!(page.contains(code.trim()), "docs/ema.md does not quote the code of tests/ema.rs");
}
