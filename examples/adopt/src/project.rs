//! A whole project inside burn-train, as one would copy it: shuffled data, gradient accumulation, a plan for the steps that
//! this makes, metrics, checkpoints as sets, a stop, and a resume that ends in the very model of a run without one.

use std::error::Error;
use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::prelude::*;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
};
use burn_apollo::checkpoint::{CheckpointStore, Retention, latest_good};
use burn_apollo::data::{DataPosition, ShuffledLoader};
use burn_apollo::stack::LayerStack;
use burn_apollo::train::{KeepError, SetCheckpointers, StepMetric, Trainable, optimizer_steps};
use burn_apollo::{Apollo, Plan, apollo::NonFiniteGradients, growable};

use crate::failure::{Failure, failed, usage};
use crate::lines::Lines;
use crate::signals;
use crate::spirals::{self, Points, ToPoints};

const SEED: u64 = 7;
const RATE: f64 = 0.01;
const BATCH: usize = 24;
/// Batches whose gradients make one optimizer step. burn-train adds them up, which AdamW does not mind.
const ACCUMULATION: usize = 3;

/// What the command line says.
#[derive(clap::Args)]
pub struct Options {
    /// The run's folder
    #[arg(long, value_name = "DIR", default_value = "runs/adopt")]
    out: PathBuf,
    /// Epochs of the whole run
    #[arg(long, default_value = "60", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Stops after this epoch, as if the run had been interrupted
    #[arg(long, value_name = "EPOCH", value_parser = clap::value_parser!(u32).range(1..))]
    stop_after: Option<u32>,
    /// Goes on with the run in the folder, or begins one
    #[arg(long)]
    resume: bool,
}

/// A residual network whose blocks grow.
#[derive(Module, Debug)]
struct Net {
    input: Linear,
    blocks: LayerStack<Linear>,
    dropout: Dropout,
    output: Linear,
}

growable!(Net { blocks });

impl Net {
    fn new(device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            input: linear(2, 32),
            blocks: (0..8).map(|_| linear(32, 32)).collect(),
            dropout: DropoutConfig::new(0.02).init(),
            output: linear(32, 2),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut x = self.input.forward(x);
        for block in &self.blocks {
            x = x.clone() + self.dropout.forward(block.forward(x).tanh());
        }
        self.output.forward(x)
    }
}

impl TrainStep for Net {
    type Input = Points;
    type Output = ClassificationOutput;

    fn step(&self, points: Points) -> TrainOutput<ClassificationOutput> {
        let output = points.classify(|x| self.forward(x));
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = Points;
    type Output = ClassificationOutput;

    fn step(&self, points: Points) -> ClassificationOutput {
        points.classify(|x| self.forward(x))
    }
}

/// An error of any kind.
type Any = Box<dyn Error>;

/// What a checkpoint holds and a run is made of.
struct Run {
    apollo: Apollo<Net>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    data: DataPosition,
}

impl Run {
    /// A run at its beginning.
    fn new(epochs: u32) -> Result<Self, Any> {
        let steps = optimizer_steps(epochs as usize, spirals::ITEMS, BATCH, ACCUMULATION);
        let plan = Plan::new(steps).with_seed(SEED);
        let device = Device::default().autodiff();
        device.seed(SEED);
        let scheduler = plan.lr.scheduler(RATE, plan.steps)?;
        let apollo = Apollo::new(Net::new(&device), plan)?;
        Ok(Self {
            apollo: apollo.with_non_finite_gradients(NonFiniteGradients::Error),
            scheduler,
            optim: AdamWConfig::new().init(),
            data: DataPosition::start(SEED),
        })
    }

    /// The run as the newest good checkpoint has it, if there is one. burn-train loads it once more, but panics where it does
    /// not fit.
    fn resumed(self, store: &CheckpointStore) -> Result<Self, Any> {
        let Some(latest) = store.latest_good()? else { return Ok(self) };
        latest.stepped_over.iter().for_each(|damage| eprintln!("warning: {damage}"));
        let (apollo, optim, scheduler) =
            latest.set.load(self.apollo, self.optim, self.scheduler)?;
        Ok(Self { apollo, optim, scheduler, data: latest.set.state("data")? })
    }

    fn epochs_done(&self) -> usize {
        self.data.epoch as usize
    }
}

/// Trains from the folder's newest good checkpoint; gives what is to be said at the end.
pub fn train(options: &Options) -> Result<String, Failure> {
    let store = open(options).map_err(usage("--out"))?;
    let sets = store.path().to_owned();
    let run = Run::new(options.epochs).map_err(usage("--epochs"))?;
    let run = run.resumed(&store).map_err(usage("--resume"))?;
    let last = options.stop_after.unwrap_or(options.epochs).min(options.epochs) as usize;
    let (apollo, reason) = match run.epochs_done() < last {
        true => trained(run, last, store, &options.out)?,
        false => (run.apollo, None),
    };
    if apollo.step_count() == apollo.total_steps() {
        return finish(apollo, &options.out).map_err(failed);
    }
    let kept = latest_good(sets).map_err(failed)?.and_then(|latest| latest.set.epoch());
    let line = format!("after epoch {} of {}", kept.unwrap_or(0), options.epochs);
    match reason.as_deref().and_then(|reason| Some((reason, signals::exit_code(reason)?))) {
        Some((signal, code)) => {
            Err(Failure { code, line: format!("stopped by {signal} {line}; --resume goes on") })
        }
        None => Ok(format!("stopped {line}; --resume goes on")),
    }
}

/// Takes the folder for this process.
fn open(options: &Options) -> Result<CheckpointStore, Any> {
    let store = CheckpointStore::open(options.out.join("checkpoints"), Retention::default())?;
    if options.resume || store.is_empty()? {
        return Ok(store);
    }
    let folder = options.out.display();
    Err(format!("{folder} holds a run; go on with it with --resume, or name another folder").into())
}

/// Trains up to the end of epoch `last`, unless it is stopped before; then with the reason.
fn trained(
    run: Run,
    last: usize,
    store: CheckpointStore,
    out: &Path,
) -> Result<(Apollo<Net>, Option<String>), Failure> {
    let done = run.epochs_done();
    let loader = ShuffledLoader::new(spirals::dataset(), ToPoints, BATCH, run.data);
    let loader = Arc::new(loader.map_err(failed)?);
    let checkpointers = SetCheckpointers::new(store, &run.apollo)
        .with_scheduler(&run.scheduler)
        .with_epoch_state("data", |epoch| DataPosition::after_epoch(SEED, epoch));
    let mut training = SupervisedTraining::new(out, loader, spirals::valid());
    let interrupter = training.interrupter();
    signals::stop_at_signals(interrupter.clone()).map_err(failed)?;
    let errors = KeepError::of(&interrupter);
    let model = Trainable::new(run.apollo, interrupter.clone());
    training = training
        .num_epochs(last)
        .grads_accumulation(ACCUMULATION)
        .with_custom_checkpointers(
            checkpointers.model(),
            checkpointers.optim(),
            checkpointers.scheduler(),
        )
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .metrics((LossMetric::new(), AccuracyMetric::new()))
        .metric_train_numeric(StepMetric::virtual_depth(&model))
        .metric_train_numeric(StepMetric::unique_layers(&model))
        .metric_train_numeric(StepMetric::lr_factor(&model))
        .with_progress_logger(errors.clone())
        .with_application_logger(None);
    if done > 0 {
        training = training.checkpoint(done);
    }
    if !stdout().is_terminal() {
        training = training.renderer(Box::new(Lines::to(stdout())));
    }
    let result = training.launch(Learner::new(model, run.optim, run.scheduler));
    drop(result.renderer); // gives the terminal back
    let apollo = result.model.into_apollo().map_err(failed)?;
    match errors.error().or(result.error.as_deref()) {
        Some(error) => Err(failed(error.to_string())),
        None => Ok((apollo, interrupter.get_message())),
    }
}

/// Writes the plain model and says how good it is.
fn finish(apollo: Apollo<Net>, out: &Path) -> Result<String, Any> {
    let model = apollo.into_inner()?.valid();
    let right = spirals::accuracy(&Device::default(), |x| model.forward(x))?;
    let file = out.join("model.bpk");
    model.into_record().save(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(format!("finished: {:.1} % right\nwritten: {}", 100.0 * right, file.display()))
}
