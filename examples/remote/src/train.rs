//! A training over the devices of several hosts, by burn-train.

use std::error::Error;
use std::io::stdout;
use std::sync::Arc;

use apollo_examples::models::gpt::{GptConfig, OUTPUT_PROJECTIONS};
use apollo_examples::models::transformer::Shape;
use apollo_examples::text::corpus::Corpus;
use apollo_examples::{Content, Existing, Failure, check_folder, run_error, usage};
use burn::module::Module;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::LossMetric;
use burn::train::{
    ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining, TrainingStrategy,
};
use burn_apollo::checkpoint::{CheckpointStore, Retention, latest_good};
use burn_apollo::recipe::Setting;
use burn_apollo::train::{KeepError, SetCheckpointers, Trainable};
use burn_apollo::{Apollo, Plan};

use crate::batches::{StepBatches, held_out};
use crate::host::Token;
use crate::lines::Lines;
use crate::model::Share;
use crate::options::TrainOptions;
use crate::watch::watched;

/// Trains from the folder's newest good checkpoint.
pub fn train(options: &TrainOptions) -> Result<(), Failure> {
    options.check()?;
    let token = Token::read(&options.token_file)?;
    let text = Arc::new(Corpus::read(&options.data, options.seq as usize)?);
    let store = open(options)?;
    let sets = store.path().to_owned();
    let run = Run::new(options, &text)?.resumed(options, &text, &store)?;
    let hosts = &options.hosts;
    let devices = hosts.iter().map(|host| host.connect(&token)).collect::<Result<Vec<_>, _>>()?;
    let ended = match watched(hosts, &token, {
        let options = options.clone();
        move || trained(run, &options, text, devices, store)
    }) {
        Ok(written) => {
            println!("finished: {} steps on {} hosts\n{written}", options.steps, hosts.len());
            return Ok(());
        }
        Err(ended) => ended,
    };
    let kept = latest_good(sets).ok().flatten().map(|latest| latest.set.step());
    Err(run_error(match kept {
        Some(step) => format!(
            "{ended}; the last good checkpoint is that of step {step}, --resume goes on from there"
        ),
        None => format!("{ended}; there is no checkpoint yet"),
    }))
}

type Any = Box<dyn Error + Send + Sync>;

/// What a checkpoint holds.
struct Run {
    apollo: Apollo<Share>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    /// Checkpoints that were written.
    done: usize,
}

impl Run {
    /// A run at its beginning, on this machine; burn-train takes the model to the first host.
    fn new(options: &TrainOptions, text: &Corpus) -> Result<Self, Failure> {
        let plan = options.plan()?;
        let device = Device::flex().autodiff();
        device.seed(options.seed);
        let gpt = options.model(text.vocabulary().size()).init(&device);
        let model = Share { gpt, devices: options.hosts.len() };
        Ok(Self {
            scheduler: plan.lr.scheduler(options.lr, plan.steps).map_err(usage)?,
            apollo: Apollo::new(model, plan).map_err(usage)?,
            optim: AdamWConfig::new().with_epsilon(1e-8).init(),
            done: 0,
        })
    }

    /// The run as the newest good checkpoint has it, if there is one.
    fn resumed(
        self,
        options: &TrainOptions,
        text: &Corpus,
        store: &CheckpointStore,
    ) -> Result<Self, Failure> {
        let failed = |e: &(dyn Error + 'static)| usage(format!("--resume: {}", chain(e)));
        let Some(latest) = store.latest_good().map_err(|e| failed(&e))? else { return Ok(self) };
        latest.stepped_over.iter().for_each(|damage| eprintln!("warning: {damage}"));
        let set = latest.set;
        if set.state::<Data>(DATA).map_err(|e| failed(&e))? != data(options, text) {
            return Err(usage(format!(
                "--resume: {} is of a run with another --data, --batch, --seq or --checkpoint-every",
                set.path().display()
            )));
        }
        let loaded = set.load(self.apollo, self.optim, self.scheduler);
        let (apollo, optim, scheduler) = loaded.map_err(|e| failed(&e))?;
        Ok(Self { apollo, optim, scheduler, done: set.epoch().unwrap_or(0) })
    }
}

/// What the data of a step follow from, beside the plan's seed.
type Data = (u32, u32, u64, u32);

/// [`Data`] in a checkpoint.
const DATA: &str = "data";

fn data(options: &TrainOptions, text: &Corpus) -> Data {
    (options.batch, options.seq, options.checkpoint_every, text.checksum())
}

/// Takes the folder for this process.
fn open(options: &TrainOptions) -> Result<CheckpointStore, Failure> {
    check_folder("--out", &options.out, Content::Run, Existing::Resume)?;
    let failed = |e: &(dyn Error + 'static)| usage(format!("--out {}", chain(e)));
    let store = CheckpointStore::open(options.out.join("checkpoints"), Retention::default())
        .map_err(|e| failed(&e))?;
    match options.resume || store.is_empty().map_err(|e| failed(&e))? {
        true => Ok(store),
        false => Err(usage(format!(
            "--out {}: holds a run; go on with it with --resume, or name another folder",
            options.out.display()
        ))),
    }
}

/// Trains what is left of the run, and writes the model; says where.
fn trained(
    run: Run,
    options: &TrainOptions,
    text: Arc<Corpus>,
    devices: Vec<Device>,
    store: CheckpointStore,
) -> Result<String, Any> {
    let epochs = options.epochs();
    let apollo = match run.done < epochs {
        true => fit(run, options, text, devices, store)?,
        false => run.apollo,
    };
    let model = apollo.into_inner()?.gpt.to_device(&Device::flex());
    let file = options.out.join("model.bpk");
    model.into_record().save(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(format!("written: {}", file.display()))
}

fn fit(
    run: Run,
    options: &TrainOptions,
    text: Arc<Corpus>,
    devices: Vec<Device>,
    store: CheckpointStore,
) -> Result<Apollo<Share>, Any> {
    let checkpointers = SetCheckpointers::new(store, &run.apollo)
        .with_scheduler(&run.scheduler)
        .with_state(DATA, &data(options, &text))?;
    let (seq, batch, every) =
        (options.seq as usize, options.batch as usize, options.checkpoint_every);
    let valid = held_out(&text, seq, batch)?;
    let batches = StepBatches::new(text, options.seed, seq, batch, every, run.done as u64);
    let mut training = SupervisedTraining::new(&options.out, Arc::new(batches), valid)
        .num_epochs(options.epochs())
        .with_training_strategy(TrainingStrategy::Default(options.strategy(devices)))
        .with_custom_checkpointers(
            checkpointers.model(),
            checkpointers.optim(),
            checkpointers.scheduler(),
        )
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .metrics((LossMetric::new(),))
        .renderer(Box::new(Lines::to(stdout())))
        .with_application_logger(None);
    if run.done > 0 {
        training = training.checkpoint(run.done);
    }
    let errors = KeepError::of(&training.interrupter());
    let training = training.with_progress_logger(errors.clone());
    let model =
        Trainable::new(run.apollo, training.interrupter()).on_growth(|growth| println!("{growth}"));
    let result = training.launch(Learner::new(model, run.optim, run.scheduler));
    let apollo = result.model.into_apollo()?;
    match errors.error().or(result.error.as_deref()) {
        Some(error) => Err(error.to_string().into()),
        None => Ok(apollo),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

impl TrainOptions {
    /// What the options cannot check one by one.
    fn check(&self) -> Result<(), Failure> {
        let count = self.hosts.len();
        if !(self.batch as usize).is_multiple_of(count) {
            return Err(usage(format!("--batch {}: not a multiple of {count} hosts", self.batch)));
        }
        if !self.steps.is_multiple_of(self.checkpoint_every) {
            let (steps, every) = (self.steps, self.checkpoint_every);
            return Err(usage(format!(
                "--steps {steps}: not a multiple of --checkpoint-every {every}"
            )));
        }
        if let Some(other) = self.hosts.iter().find(|host| !host.same_transport(&self.hosts[0])) {
            let first = &self.hosts[0];
            return Err(usage(format!(
                "--hosts: {first} and {other} cannot talk: Iroh for all, or WebSocket"
            )));
        }
        Shape::check(self.width, self.heads)
    }

    fn strategy(&self, devices: Vec<Device>) -> ExecutionStrategy {
        let devices: Vec<Device> = devices.into_iter().map(Device::autodiff).collect();
        match (devices.as_slice(), self.sharded) {
            // Burn gives a single one of several devices its data on another device.
            ([device], _) => ExecutionStrategy::single(device.clone()),
            (_, true) => ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimSharded),
            (_, false) => ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice),
        }
    }

    /// What burn-train calls an epoch is the way from checkpoint to checkpoint.
    fn epochs(&self) -> usize {
        (self.steps / self.checkpoint_every) as usize
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let setting = Setting::new(self.steps, &[self.layers as usize]);
        let setting = setting.with_output_projections(OUTPUT_PROJECTIONS);
        let plan =
            self.recipe.plan(&setting).map_err(|e| usage(format!("--recipe: {}", chain(&e))))?;
        Ok(plan.with_seed(self.seed))
    }

    fn model(&self, vocabulary: usize) -> GptConfig {
        GptConfig {
            vocabulary,
            positions: self.seq as usize,
            width: self.width as usize,
            heads: self.heads as usize,
            layers: self.layers as usize,
            // As the example `gpt` begins.
            embedding_std: 0.1,
            linear_std: 0.02 * (768.0 / f64::from(self.width)).sqrt(),
            dropout: 0.0,
        }
    }
}
