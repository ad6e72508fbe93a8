use std::fs::{File, OpenOptions};

use burn::module::Module;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn::train::{InferenceStep, TrainStep};
use burn_apollo::schedule::LossFeed;
use burn_apollo::{Apollo, InferenceDepth};
use serde::{Deserialize, Serialize};

use crate::common::gpt::Gpt;
use crate::common::run_dir::RunDir;
use crate::common::text::{Batch, Text};
use crate::common::{Failure, device, run_error, usage};
use crate::generate::{self, MODEL};
use crate::options::{Options, RunConfig};
use crate::progress::{Progress, tokens};

/// A row of `steps.csv`: everything that two equal runs share.
#[derive(Serialize, Deserialize)]
pub struct Row {
    pub step: u64,
    pub stage: usize,
    pub unique_layers: usize,
    pub virtual_depth: usize,
    pub lr: f64,
    pub train_loss: f64,
    pub tokens: u64,
}

#[derive(Serialize)]
struct Summary<'a> {
    config: &'a RunConfig,
    growths: Vec<Growth>,
    val_loss: f64,
    best_bigram_loss: f64,
    parameters: usize,
    tokens_per_second: f64,
}

#[derive(Serialize)]
struct Growth {
    step: u64,
    from: usize,
    to: usize,
}

/// A row of `validation.csv`.
#[derive(Serialize)]
struct ValidationRow {
    step: u64,
    stage: usize,
    unique_layers: usize,
    depth: usize,
    val_loss: f64,
}

const STEPS: &str = "steps.csv";
const VALIDATION: &str = "validation.csv";
const SUMMARY: &str = "summary.json";
const RESULTS: [&str; 4] = [STEPS, VALIDATION, SUMMARY, "model.bpk"];
/// Losses are read every so many steps: reading one makes the device wait.
const READ_EVERY: u64 = 10;

pub fn run(options: &Options) -> Result<(), Failure> {
    let (config, text) = options.config()?;
    let device = device::by_name(&options.device)?;
    let losses = LossFeed::default();
    let plan = config.plan.apollo(config.steps, config.seed, losses.clone())?;
    device.seed(config.seed);
    let model = generate::shape(&config).init(&device.clone().autodiff());
    let apollo = Apollo::new(model, plan).map_err(usage)?;
    let (dir, resumed) = RunDir::open(
        &options.out,
        &config,
        options.existing(),
        |other| config.same_run(other),
        &RESULTS,
    )?;

    let mut run = Run {
        validation: text.validation(64, config.batch, config.seq, &device),
        apollo,
        optim: AdamWConfig::new()
            .with_weight_decay(0.01)
            .with_beta_2(0.95)
            .with_epsilon(1e-8)
            .init(),
        scheduler: scheduler(&config)?,
        waiting: Vec::new(),
        shown_loss: None,
        untold: Vec::new(),
        losses,
        text,
        device,
        dir,
        config,
    };
    if resumed {
        run = run.resume()?;
        if run.apollo.step_count() == run.config.steps && run.dir.file(SUMMARY).exists() {
            println!("the run in {} is finished", options.out.display());
            return Ok(());
        }
    }
    run.train(options)
}

/// Warm-up over 2.5 % of the steps, then one cosine down to a tenth over the rest.
fn scheduler(config: &RunConfig) -> Result<ModuleLrScheduler, Failure> {
    let warm_up = (config.steps / 40).max(1) as usize;
    let rest = (config.steps as usize).saturating_sub(warm_up).max(1);
    let cosine =
        CosineAnnealingLrSchedulerConfig::new(config.lr, rest).with_min_lr(config.lr / 10.0);
    let linear =
        LinearLrSchedulerConfig::new(config.lr / warm_up as f64 / 10.0, config.lr, warm_up);
    SequentialLrSchedulerConfig::new(vec![linear.into(), cosine.into()], vec![warm_up])
        .init()
        .map_err(usage)
}

struct Run {
    config: RunConfig,
    text: Text,
    validation: Vec<Batch>,
    device: Device,
    dir: RunDir,
    apollo: Apollo<Gpt>,
    optim: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
    losses: LossFeed,
    /// Steps whose loss is not read yet.
    waiting: Vec<(Row, Tensor<1>)>,
    /// The latest loss that was read.
    shown_loss: Option<f64>,
    /// Losses that were read, but not told to the growth policy yet.
    untold: Vec<(u64, f64)>,
}

impl Run {
    fn train(mut self, options: &Options) -> Result<(), Failure> {
        let first = self.apollo.step_count();
        let mut progress = Progress::new(first, self.config.steps, self.config.expected_depths()?);
        let mut csv = self.open_csv(STEPS, |row| row < first)?;
        let mut validation = self.open_csv(VALIDATION, |row| row <= first)?;
        progress.line(&format!(
            "{} of {} layers, {} parameters",
            self.apollo.unique_layers(),
            self.config.layers,
            self.apollo.num_params()
        ));
        for step in first..self.config.steps {
            self = self.step(step, &mut progress)?;
            let done = step + 1;
            let stop = options.stop_after == Some(done);
            let save = stop || done % options.checkpoint_every == 0 || done == self.config.steps;
            if save || done % READ_EVERY == 0 {
                self.read_losses(&mut csv)?;
            }
            if save {
                self.validate(&mut validation, &progress)?;
                self.dir.save(&self.apollo, &self.optim, &self.scheduler)?;
            }
            if stop && done < self.config.steps {
                progress.finish();
                println!("stopped after step {done}; --resume goes on");
                return Ok(());
            }
        }
        progress.finish();
        self.finish(options, progress.tokens_per_second())
    }

    fn step(mut self, step: u64, progress: &mut Progress) -> Result<Self, Failure> {
        let RunConfig { seed, batch, seq, .. } = self.config;
        let batch = self.text.batch(seed, step, batch, seq, &self.device.clone().autodiff());
        let batch_tokens = tokens(&batch);
        let lr = self.scheduler.step();
        let row = Row {
            step,
            stage: self.apollo.stage(),
            unique_layers: self.apollo.unique_layers(),
            virtual_depth: self.apollo.depth(),
            lr: lr.base() * self.apollo.lr_factor(),
            train_loss: f64::NAN,
            tokens: batch_tokens,
        };
        progress.step(&row, self.shown_loss);
        let output = TrainStep::step(&self.apollo, batch);
        let apollo = self.apollo.optimize(&mut self.optim, lr, output.grads);
        if let Some(growth) = apollo.growth().map_err(run_error)? {
            progress.line(&growth.to_string());
        }
        self.waiting.push((row, output.item.loss));
        Ok(Self { apollo, ..self })
    }

    /// Reads the losses of the waiting steps and writes their rows.
    fn read_losses(&mut self, csv: &mut csv::Writer<File>) -> Result<(), Failure> {
        for (mut row, loss) in self.waiting.drain(..) {
            row.train_loss = loss.try_into_scalar::<f64>().map_err(run_error)?;
            if !row.train_loss.is_finite() {
                return Err(run_error(format!(
                    "the loss of step {} is {}",
                    row.step, row.train_loss
                )));
            }
            self.shown_loss = Some(row.train_loss);
            self.untold.push((row.step, row.train_loss));
            csv.serialize(&row).map_err(run_error)?;
        }
        csv.flush().map_err(run_error)?;
        self.tell_losses();
        Ok(())
    }

    /// Tells the growth policy the losses, at the same steps whether or not the run was interrupted.
    fn tell_losses(&mut self) {
        if self.apollo.step_count().is_multiple_of(READ_EVERY) {
            self.untold.drain(..).for_each(|(step, loss)| self.losses.record(step, loss));
        }
    }

    /// Validates at the unique layers and at full depth.
    fn validate(&self, csv: &mut csv::Writer<File>, progress: &Progress) -> Result<(), Failure> {
        let mut shown = Vec::new();
        for depth in [InferenceDepth::Unique, InferenceDepth::Full] {
            let model = self.apollo.at_depth(depth).map_err(run_error)?;
            let row = ValidationRow {
                step: self.apollo.step_count(),
                stage: self.apollo.stage(),
                unique_layers: self.apollo.unique_layers(),
                depth: model.h.depth(),
                val_loss: validation_loss(&model, &self.validation)?,
            };
            shown.push(format!("{:.4} at depth {}", row.val_loss, row.depth));
            csv.serialize(&row).map_err(run_error)?;
            if row.depth == self.config.layers {
                break;
            }
        }
        csv.flush().map_err(run_error)?;
        let step = self.apollo.step_count();
        progress.line(&format!("step {step}: validation loss {}", shown.join(", ")));
        Ok(())
    }

    /// A table whose first column is the step, cut to the rows to `keep`.
    fn open_csv(
        &self,
        name: &str,
        keep: impl Fn(u64) -> bool,
    ) -> Result<csv::Writer<File>, Failure> {
        let path = self.dir.file(name);
        let failed = |e: std::io::Error| usage(format!("{}: {e}", path.display()));
        if self.apollo.step_count() == 0 {
            return Ok(csv::Writer::from_writer(File::create(&path).map_err(failed)?));
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let step = |line: &str| line.split(',').next().and_then(|s| s.parse::<u64>().ok());
        let lines = text.split_inclusive('\n').enumerate();
        let kept: String = lines
            .filter(|(i, line)| *i == 0 || (line.ends_with('\n') && step(line).is_some_and(&keep)))
            .map(|(_, line)| line)
            .collect();
        self.dir.write(name, &kept).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        Ok(csv::WriterBuilder::new().has_headers(false).from_writer(file))
    }

    /// Takes up the run where its checkpoint left it.
    fn resume(mut self) -> Result<Self, Failure> {
        let Some((model, optim, scheduler)) = self.dir.load()? else { return Ok(self) };
        self.apollo = self
            .apollo
            .try_load_record(model)
            .map_err(|e| usage(format!("--resume: the model's record: {e}")))?;
        self.optim = self.optim.load_record(optim);
        self.scheduler = self.scheduler.load_record(scheduler);
        let done = self.apollo.step_count();
        self.untold = self.losses_from(done - done % READ_EVERY, done)?;
        println!("resumed before step {done}");
        Ok(self)
    }

    /// The losses of steps `from..to`, from the table.
    fn losses_from(&self, from: u64, to: u64) -> Result<Vec<(u64, f64)>, Failure> {
        let path = self.dir.file(STEPS);
        let failed = |e: csv::Error| usage(format!("{}: {e}", path.display()));
        let mut losses = Vec::new();
        for row in csv::Reader::from_path(&path).map_err(failed)?.deserialize::<Row>() {
            let Ok(row) = row else { break }; // a last row that was cut short
            if (from..to).contains(&row.step) {
                losses.push((row.step, row.train_loss));
            }
        }
        match losses.len() as u64 == to - from {
            true => Ok(losses),
            false => Err(usage(format!("{}: lacks steps before {to}", path.display()))),
        }
    }

    fn finish(self, options: &Options, tokens_per_second: f64) -> Result<(), Failure> {
        let layers = |stage: usize| self.apollo.layers_of_stage(stage).iter().sum();
        let growths = (0..).zip(self.apollo.growth_steps()).map(|(stage, step)| Growth {
            step: *step,
            from: layers(stage),
            to: layers(stage + 1),
        });
        let growths = growths.collect();
        let model = self.apollo.into_inner().map_err(run_error)?;
        let file = self.dir.file(MODEL);
        model
            .clone()
            .save_file(&file)
            .map_err(|e| run_error(format!("{}: {e}", file.display())))?;

        let model = model.valid();
        let summary = Summary {
            config: &self.config,
            growths,
            val_loss: validation_loss(&model, &self.validation)?,
            best_bigram_loss: self.text.best_bigram_loss(),
            parameters: model.num_params(),
            tokens_per_second,
        };
        self.dir.write_json(SUMMARY, &summary)?;
        println!(
            "validation loss {:.4} nats per byte (the best bigram model: {:.4}), {:.0} tokens per second",
            summary.val_loss, summary.best_bigram_loss, summary.tokens_per_second
        );
        println!("written: {}", options.out.display());
        println!("\n{}", generate::text(&model, "ROMEO:", options, &self.device));
        Ok(())
    }
}

/// Mean loss over all tokens of the batches, in nats.
fn validation_loss(model: &Gpt, batches: &[Batch]) -> Result<f64, Failure> {
    let (mut sum, mut count) = (0.0, 0.0);
    for batch in batches {
        let rows = tokens(batch) as f64;
        let loss = InferenceStep::step(model, batch.clone()).loss;
        sum += rows * loss.try_into_scalar::<f64>().map_err(run_error)?;
        count += rows;
    }
    Ok(sum / count)
}
