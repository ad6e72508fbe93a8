//! Exact resume of a hand-written loop: stopped before any step and taken up from the checkpoint, a run with
//! shuffled data, dropout, gradient accumulation and a loss-driven growth policy ends with the same bits.

use std::path::Path;

use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointStore, Restored, Retention, Snapshot};
use burn_apollo::data::{BatchStream, DataPosition, ShuffledLoader};
use burn_apollo::depth::DrawPer;
use burn_apollo::policy::LossPlateau;
use burn_apollo::schedule::LrAtGrowth;
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, growable};

use crate::kind::turn;
use crate::support::burn_train::Rows;
use crate::support::{WIDTH, batch, bits, device, grads_of, growth_steps, stages};

#[derive(Module, Debug)]
struct Block {
    linear: Linear,
    dropout: Dropout,
}

#[derive(Module, Debug)]
struct Net {
    blocks: LayerStack<Block>,
    head: Linear,
}

growable!(Net { blocks });

impl Net {
    fn new(device: &Device) -> Self {
        let block = |_| Block {
            linear: LinearConfig::new(WIDTH, WIDTH).init(device),
            dropout: DropoutConfig::new(0.2).init(),
        };
        Self { blocks: (0..6).map(block).collect(), head: LinearConfig::new(WIDTH, 1).init(device) }
    }

    fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let hidden = self.blocks.iter().fold(x.clone(), |x, block| {
            x.clone() + block.dropout.forward(block.linear.forward(x)).tanh()
        });
        (self.head.forward(hidden) - x.sum_dim(1)).powi_scalar(2).mean()
    }
}

struct Run {
    apollo: Apollo<Net>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    data: BatchStream<usize, Tensor<2>>,
}

const STEPS: u64 = 24;

fn data(position: DataPosition) -> BatchStream<usize, Tensor<2>> {
    let rows = InMemDataset::new((0..19).collect());
    ShuffledLoader::new(rows, Rows, 4, position).unwrap().into_stream(&device())
}

fn scheduler() -> ModuleLrScheduler {
    CosineAnnealingLrSchedulerConfig::new(0.05, STEPS as usize).init().unwrap()
}

impl Run {
    /// A run as a new process begins it, with weights of its own.
    fn new(plan: Plan) -> Self {
        Self {
            apollo: Apollo::new(Net::new(&device()), plan).unwrap(),
            optim: AdamWConfig::new().init(),
            scheduler: scheduler(),
            data: data(DataPosition::start(9)),
        }
    }

    /// One step of three micro-batches; gives the bits of its loss.
    fn step(&mut self) -> u32 {
        let (mut grads, mut sum) = (GradientsAccumulator::new(), 0.0);
        for part in 0..3 {
            let model = self.apollo.micro_batch(part).unwrap();
            let loss = model.loss(self.data.next_batch().unwrap());
            sum += loss.clone().into_scalar::<f32>();
            grads.accumulate(&model, GradientsParams::from_grads(loss.backward(), &model));
        }
        let lr = self.scheduler.step();
        let step = self.apollo.step_count();
        self.apollo.update(&mut self.optim, lr, grads.grads()).unwrap();
        // Told late, as by a loop that reads losses every few steps: a checkpoint may come in between.
        self.apollo.record_loss(step, f64::from(sum));
        sum.to_bits()
    }

    fn bits(&self) -> std::collections::BTreeMap<String, Vec<u32>> {
        bits(self.apollo.model())
    }

    fn save(&self, store: &CheckpointStore) {
        let snapshot = Snapshot::new(&self.apollo, &self.optim, &self.scheduler).unwrap();
        store.save(snapshot.with_state("data", &self.data.position()).unwrap()).unwrap();
    }

    fn resume(plan: Plan, store: &CheckpointStore) -> Self {
        let mut run = Self::new(plan);
        let set = store.latest_good().unwrap().unwrap().set;
        (run.apollo, run.optim, run.scheduler) =
            set.load(run.apollo, run.optim, run.scheduler).unwrap();
        run.data = data(set.state("data").unwrap());
        run
    }
}

fn store(dir: &Path) -> CheckpointStore {
    CheckpointStore::open(dir, Retention::default()).unwrap()
}

/// Stops before every step, goes on in a fresh run, and compares all that follows; gives the growths.
fn check(plan: &dyn Fn() -> Plan) -> Vec<u64> {
    let (start, moving) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (start, moving) = (store(start.path()), store(moving.path()));
    Run::new(plan()).save(&start); // the same weights for all runs
    let mut whole = Run::resume(plan(), &start);
    let mut losses = Vec::new();
    for step in 0..STEPS {
        whole.save(&moving);
        let mut resumed = Run::resume(plan(), &moving);
        losses.push(whole.step());
        assert_eq!(resumed.step(), losses[step as usize], "step {step}");
        assert_eq!(resumed.bits(), whole.bits(), "step {step}");
        assert_eq!(resumed.apollo.depth(), whole.apollo.depth(), "step {step}");
    }
    // From both ends, and before, at and after each growth, to the end of the run.
    let growths = growth_steps(&whole.apollo);
    for stop in (0..STEPS).filter(|s| *s < 2 || growths.iter().any(|g| s.abs_diff(*g) < 2)) {
        let mut run = Run::resume(plan(), &start);
        for _ in 0..stop {
            run.step();
        }
        run.save(&moving);
        let mut run = Run::resume(plan(), &moving);
        let tail: Vec<u32> = (stop..STEPS).map(|_| run.step()).collect();
        assert_eq!(tail, losses[stop as usize..], "stopped before step {stop}");
        assert_eq!(run.bits(), whole.bits(), "stopped before step {stop}");
        assert_eq!(growth_steps(&run.apollo), growths, "stopped before step {stop}");
    }
    growths
}

#[test]
fn at_scheduled_growths_with_a_depth_for_every_micro_batch() {
    let _turn = turn();
    let growths = check(&|| {
        Plan::new(STEPS)
            .with_schedule(stages(&[(1, 7), (3, 15)], 6))
            .with_draw_per(DrawPer::MicroBatch)
            .with_lr_at_growth(LrAtGrowth::Rewarm { from: 0.1, steps: 4 })
            .with_seed(4)
    });
    assert_eq!(growths, [7, 15]);
}

#[test]
fn at_a_loss_plateau() {
    let _turn = turn();
    let growths = check(&|| {
        Plan::new(STEPS)
            .with_schedule(stages(&[(2, 12), (3, 23)], 6))
            .with_policy(LossPlateau::new(4).unwrap().with_threshold(0.3).unwrap())
    });
    assert!(growths.len() == 2 && growths[0] < 12 && growths[1] < 23, "{growths:?}");
}

/// Without seeds of its own, dropout goes on from wherever the device's generator stands.
#[test]
fn without_step_seeds_dropout_is_not_repeated() {
    let _turn = turn();
    let plan = || {
        let schedule = stages(&[(1, 7), (3, 15)], 6);
        Plan::new(STEPS).with_schedule(schedule).with_step_seeds(false)
    };
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut whole = Run::new(plan());
    whole.step();
    whole.save(&store);
    let mut resumed = Run::resume(plan(), &store);
    assert_ne!(whole.step(), resumed.step());
}

#[derive(Module, Debug)]
struct Normed {
    norm: BatchNorm,
    head: Linear,
    blocks: LayerStack<Linear>,
}

growable!(Normed { blocks });

/// Burn holds the last update of running statistics back; a checkpoint must not.
#[test]
fn running_statistics_of_the_last_step_are_saved() {
    let _turn = turn();
    let run = || {
        let linear = || LinearConfig::new(WIDTH, WIDTH).init(&device());
        let net = Normed {
            norm: BatchNormConfig::new(WIDTH).init(&device()),
            head: linear(),
            blocks: (0..2).map(|_| linear()).collect(),
        };
        let plan = Plan::new(9).with_schedule(stages(&[(1, 4)], 2));
        (Apollo::new(net, plan).unwrap(), AdamWConfig::new().init(), scheduler())
    };
    let step = |(apollo, optim, lr): &mut Restored<Normed>| {
        let (x, net) = (batch(apollo.step_count(), &device()), apollo.model());
        let hidden = net.blocks.iter().fold(net.norm.forward(x), |x, l| l.forward(x));
        let grads = grads_of(&net.head.forward(hidden).powi_scalar(2).mean(), apollo);
        apollo.update(optim, lr.step(), grads).unwrap();
    };
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut whole = run();
    for number in 0..9 {
        step(&mut whole);
        store.save(Snapshot::new(&whole.0, &whole.1, &whole.2).unwrap()).unwrap();
        let fresh = run();
        let set = store.latest_good().unwrap().unwrap().set;
        let resumed = set.load(fresh.0, fresh.1, fresh.2).unwrap();
        let mean =
            |apollo: &Apollo<Normed>| apollo.model().norm.running_mean.value_sync().into_data();
        assert_eq!(mean(&resumed.0), mean(&whole.0), "after step {number}");
    }
}
