//! The model, its data and the training loop that all policies share.

use burn::module::Module;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::{DepthSampler, Lvps};
use burn_apollo::schedule::{LossFeed, Schedule};
use burn_apollo::{Apollo, ApolloConfig};

use crate::common::corpus::{Batch, Corpus};
use crate::common::gpt::{Gpt, GptConfig};
use crate::common::rate::scheduler;
use crate::common::results::Row;
use crate::common::{Failure, run_error, usage};
use crate::results::{Folder, Outcome};

pub const LAYERS: usize = 8;
pub const SEQ: usize = 32;
const ROWS: usize = 16;
const WIDTH: usize = 64;
/// Windows of the validation part.
const WINDOWS: usize = 64;

/// What all runs have in common.
pub struct Setting {
    pub text: Corpus,
    pub device: Device,
    pub seed: u64,
    pub lr: f64,
}

pub struct Run<'a> {
    setting: &'a Setting,
    pub apollo: Apollo<Gpt>,
    pub optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    pub feed: LossFeed,
    /// Layers run forward and backward so far, once per virtual layer and step.
    passes: u64,
    /// The steps, with their losses as they are on the device.
    rows: Vec<(Row, Tensor<1>)>,
    /// Quarters of the run whose loss was printed.
    told: u64,
}

impl<'a> Run<'a> {
    pub fn new(config: ApolloConfig, setting: &'a Setting) -> Result<Self, Failure> {
        let feed = LossFeed::default();
        let config = config.with_losses(feed.clone()).with_seed(setting.seed);
        setting.device.seed(setting.seed);
        let gpt = GptConfig {
            vocabulary: setting.text.vocabulary().size(),
            positions: SEQ,
            width: WIDTH,
            heads: 2,
            layers: LAYERS,
            embedding_std: 0.1,
            linear_std: 0.07,
            dropout: 0.0,
        };
        let apollo = Apollo::new(gpt.init(&setting.device.clone().autodiff()), config);
        let apollo = apollo.map_err(usage)?;
        let optim = AdamWConfig::new().with_weight_decay(0.01).with_beta_2(0.95).init();
        let scheduler = scheduler(setting.lr, setting.lr / 10.0, apollo.total_steps())?;
        let (passes, rows, told) = (0, Vec::new(), 0);
        Ok(Self { setting, apollo, optim, scheduler, feed, passes, rows, told })
    }

    pub fn done(&self) -> bool {
        self.left() == 0
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.apollo.total_steps() - self.apollo.step_count()
    }

    /// An ordinary training step.
    pub fn step(&mut self) -> Result<(), Failure> {
        let (loss, grads) = self.backward(&self.apollo)?;
        self.update(loss, grads)
    }

    /// The loss of `model` on the next step's batch, and its gradients.
    pub fn backward(&self, model: &Gpt) -> Result<(Tensor<1>, GradientsParams), Failure> {
        let Setting { text, device, seed, .. } = self.setting;
        let device = device.clone().autodiff();
        let batch = text.batch(*seed, self.apollo.step_count(), ROWS, SEQ, &device)?;
        let loss = model.loss(batch.inputs, batch.targets);
        Ok((loss.clone().detach(), GradientsParams::from_grads(loss.backward(), model)))
    }

    /// Updates the parameters with `grads`, after which the policy is asked.
    pub fn update(&mut self, loss: Tensor<1>, grads: GradientsParams) -> Result<(), Failure> {
        let lr = self.scheduler.step();
        let row = Row {
            step: self.apollo.step_count(),
            stage: self.apollo.stage(),
            unique_layers: self.apollo.unique_layers(),
            virtual_depth: self.apollo.depth(),
            lr: lr.base(),
            train_loss: f64::NAN,
            items: (ROWS * SEQ) as u64,
        };
        self.passes += row.virtual_depth as u64;
        self.rows.push((row, loss));
        self.apollo = self.apollo.clone().optimize(&mut self.optim, lr, grads);
        self.apollo.growth().map(|_| ()).map_err(run_error)
    }

    /// A branch that can be trained without a trace in this run.
    pub fn branch(&self) -> Self {
        Self {
            setting: self.setting,
            apollo: self.apollo.branch(),
            optim: self.optim.clone(),
            scheduler: self.scheduler.clone(),
            feed: self.feed.clone(),
            passes: 0,
            rows: Vec::new(),
            told: 0,
        }
    }

    /// Counts what a branch did, adopted or not.
    pub fn charge(&mut self, branch: &Self) {
        self.passes += branch.passes;
    }

    /// Goes on as `branch` does.
    pub fn adopt(&mut self, branch: Self) -> Result<(), Failure> {
        self.apollo.adopt(branch.apollo).map_err(run_error)?;
        (self.optim, self.scheduler) = (branch.optim, branch.scheduler);
        self.rows.extend(branch.rows);
        Ok(())
    }

    /// The loss at full depth on text that is not trained on, in nats per token.
    pub fn validate(&self) -> Result<f64, Failure> {
        let model = self.apollo.clone().into_inner().map_err(run_error)?.valid();
        let Setting { text, device, .. } = self.setting;
        let loss = |Batch { inputs, targets }: Batch| {
            model.loss(inputs, targets).try_into_scalar::<f64>().map_err(run_error)
        };
        let losses: Vec<f64> = text
            .validation(WINDOWS, ROWS, SEQ, device)?
            .into_iter()
            .map(loss)
            .collect::<Result<_, _>>()?;
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }

    /// Prints the loss every quarter of the run, and the growth that was just made.
    pub fn report(&mut self) -> Result<(), Failure> {
        let quarter = self.apollo.step_count() * 4 / self.apollo.total_steps();
        if let (true, Some((row, loss))) = (quarter > self.told, self.rows.last()) {
            let loss = loss.clone().try_into_scalar::<f64>().map_err(run_error)?;
            println!("  step {}: {} unique layers, loss {loss:.3}", row.step, row.unique_layers);
            self.told = quarter;
        }
        if let Some(growth) = self.apollo.growth().map_err(run_error)? {
            println!("  {growth}");
        }
        Ok(())
    }

    /// Writes the table of steps; says what came out.
    pub fn finish(self, folder: &Folder, name: &str) -> Result<Outcome, Failure> {
        let outcome = Outcome {
            steps: self.apollo.total_steps(),
            passes: self.passes,
            growth_steps: self.apollo.growth_steps().to_vec(),
            val_loss: self.validate()?,
        };
        let rows = self.rows.into_iter().map(|(row, loss)| {
            Ok(Row { train_loss: loss.try_into_scalar().map_err(run_error)?, ..row })
        });
        folder.write_steps(name, rows)?;
        Ok(outcome)
    }
}

/// Layer passes of a step of the fixed schedule, on average.
pub fn mean_passes() -> f64 {
    const STEPS: u64 = 1000;
    let timeline = Schedule::paper(&[LAYERS]).timeline(STEPS, &[LAYERS]);
    let timeline = timeline.expect("the paper's schedule fits every depth");
    let stage = |stage: usize| {
        let begin = stage.checked_sub(1).map_or(0, |before| timeline.end(before));
        let pmf = Lvps::default().pmf(timeline.layers(stage)[0], LAYERS);
        let depth = pmf.expect("layers of the schedule").mean();
        (timeline.end(stage) - begin) as f64 * depth
    };
    (0..timeline.stages()).map(stage).sum::<f64>() / STEPS as f64
}
