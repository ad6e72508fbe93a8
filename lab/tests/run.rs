//! A run of a small task: its moments, its errors, its end.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_apollo::expand::Stacking;
use burn_apollo::growable;
use burn_apollo::schedule::Schedule;
use burn_apollo::stack::LayerStack;
use burn_apollo::{
    Plan,
    apollo::{GrowthReport, GrowthRequest, InferenceDepth},
};
use burn_apollo_lab::results::{Row, ValidationRow};
use burn_apollo_lab::{
    End, Existing, LabError, Observer, OnNotFinite, Options, Result, RollBack, Run, RunConfig,
    Score, Start, Task, Training,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Module, Debug)]
struct Net {
    blocks: LayerStack<Linear>,
}

growable!(Net { blocks });

/// Four layers learn to double; some batches hold bad numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Doubling {
    bad: Vec<u64>,
}

/// The device's random numbers are the process's: one run at a time.
fn alone() -> MutexGuard<'static, ()> {
    static DEVICE: Mutex<()> = Mutex::new(());
    DEVICE.lock().unwrap_or_else(|e| e.into_inner())
}

type Config = RunConfig<Doubling>;

/// Among the bad batches: every loss panics.
const PANIC: u64 = u64::MAX;

impl Task for Doubling {
    type Model = Net;
    type Batch = Tensor<2>;

    fn model(&self, device: &Device) -> Result<Net> {
        let on = device.clone();
        Ok(Net { blocks: LayerStack::from_fn(4, move |_| LinearConfig::new(3, 3).init(&on)) })
    }

    fn batch(&self, number: u64, device: &Device) -> Result<Tensor<2>> {
        let bad = if self.bad.contains(&number) { f32::NAN } else { 1.0 };
        let values: Vec<f32> =
            (0..12).map(|i| bad * ((number * 31 + i * 7) as f32).sin()).collect();
        Ok(Tensor::<1>::from_floats(values.as_slice(), device).reshape([4, 3]))
    }

    fn items(&self, batch: &Tensor<2>) -> u64 {
        batch.dims()[0] as u64
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn loss(&self, net: &Net, x: Tensor<2>) -> Tensor<1> {
        assert!(!self.bad.contains(&PANIC), "this batch is bad");
        let y = net.blocks.iter().fold(x.clone(), |x, block| x.clone() + block.forward(x).tanh());
        (y - x.mul_scalar(2.0)).powi_scalar(2).mean()
    }

    fn validate(&self, net: &Net, device: &Device) -> Result<Score> {
        let loss = self.loss(net, self.batch(1 << 20, device)?).try_into_scalar()?;
        Ok(Score { loss, accuracy: None })
    }
}

/// Two layers in the first half of eight steps, of two micro-batches each.
fn config(bad: &[u64]) -> Config {
    let plan = Plan::new(8).with_seed(42).with_schedule(Schedule::one_hop(&[2], &[4], 0.5));
    RunConfig { accumulate: 2, ..RunConfig::new(Doubling { bad: bad.to_vec() }, plan) }
}

fn with_plan(plan: impl FnOnce(Plan) -> Plan) -> Config {
    let config = config(&[]);
    RunConfig { plan: plan(config.plan.clone()), ..config }
}

fn options(folder: &Path) -> Options {
    let mut options = Options::new(folder, Device::flex());
    options.checkpoint_every = 3;
    options
}

fn training(config: Config) -> Training<Doubling, Doubling> {
    Training::new(config.task.clone(), config)
}

/// A run's moments as words.
#[derive(Clone, Default)]
struct Seen {
    moments: Rc<RefCell<Vec<String>>>,
    /// A word of messages that it cannot bear.
    refuses: Option<&'static str>,
}

impl Seen {
    fn add(&self, moment: String) -> Result<()> {
        self.moments.borrow_mut().push(moment);
        Ok(())
    }
}

impl Observer for Seen {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        assert_eq!((start.steps, start.layers, start.stages.len()), (8, 4, 2));
        self.add(format!("start {}", start.step))
    }

    fn micro_batch(&mut self, number: u64) -> Result<()> {
        self.add(format!("micro-batch {number}"))
    }

    fn growth(&mut self, report: &GrowthReport) -> Result<()> {
        self.add(format!("growth {}", report.step))
    }

    fn after_step(&mut self, row: &Row) -> Result<()> {
        assert!(row.train_loss.is_nan() && row.items > 0);
        self.add(format!("step {}", row.step))
    }

    fn loss(&mut self, row: &Row) -> Result<()> {
        assert!(row.train_loss.is_finite());
        self.add(format!("loss {}", row.step))
    }

    fn validation(&mut self, rows: &[ValidationRow]) -> Result<()> {
        rows.iter()
            .try_for_each(|row| self.add(format!("validation {} at {}", row.step, row.depth)))
    }

    fn before_checkpoint(&mut self) -> Result<()> {
        self.add("before a checkpoint".to_owned())
    }

    fn checkpoint(&mut self, step: u64) -> Result<()> {
        self.add(format!("checkpoint {step}"))
    }

    fn roll_back(&mut self, step: u64) -> Result<()> {
        self.add(format!("roll back {step}"))
    }

    fn end(&mut self) -> Result<()> {
        self.add("end".to_owned())
    }

    fn message(&mut self, text: &str) -> Result<()> {
        match self.refuses.is_some_and(|word| text.contains(word)) {
            true => Err(LabError::failed("no more of this")),
            false => Ok(()),
        }
    }
}

#[test]
fn an_observer_sees_the_moments_in_their_order() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let end = training(config(&[])).observer(seen.clone()).run(&options(dir.path())).unwrap();
    assert_eq!(end, End::Finished);
    let seen = seen.moments.take();
    let first: Vec<&str> = seen.iter().map(String::as_str).take(17).collect();
    assert_eq!(
        first[..5],
        ["start 0", "micro-batch 0", "micro-batch 1", "step 0", "micro-batch 2"]
    );
    assert_eq!(first[9..13], ["step 2", "loss 0", "loss 1", "loss 2"]);
    let checkpoint =
        ["validation 3 at 2", "validation 3 at 4", "before a checkpoint", "checkpoint 3"];
    assert_eq!(first[13..], checkpoint);
    let place = |moment: &str| seen.iter().position(|m| m == moment).expect(moment);
    assert!(place("micro-batch 7") < place("growth 4") && place("growth 4") < place("step 3"));
    assert_eq!(seen.iter().filter(|m| m.starts_with("loss")).count(), 8);
    assert_eq!(seen[seen.len() - 2..], ["checkpoint 8", "end"]);
}

#[test]
fn an_observer_that_fails_ends_the_run_which_goes_on_later() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let seen = Seen { refuses: Some("written: "), ..Seen::default() };
    let error = training(config(&[])).observer(seen).run(&options(dir.path())).unwrap_err();
    assert!(!error.is_usage() && error.to_string() == "no more of this", "{error}");
    let options = Options { existing: Existing::Resume, ..options(dir.path()) };
    let seen = Seen::default();
    assert_eq!(training(config(&[])).observer(seen.clone()).run(&options).unwrap(), End::Finished);
    assert_eq!(seen.moments.take(), [""; 0], "the run was finished");
}

#[test]
fn a_stopped_run_goes_on_bit_for_bit_and_once() {
    let _alone = alone();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    training(config(&[])).run(&options(whole.path())).unwrap();
    let mut options = options(parts.path());
    options.existing = Existing::Resume;
    for step in 1..8 {
        options.stop_after = Some(step);
        assert_eq!(training(config(&[])).run(&options).unwrap(), End::Stopped { step });
    }
    options.stop_after = None;
    for _ in 0..2 {
        assert_eq!(training(config(&[])).run(&options).unwrap(), End::Finished);
    }
    let read = |dir: &Path, file| std::fs::read_to_string(dir.join(file)).unwrap();
    for file in ["steps.csv", "config.json"] {
        assert_eq!(read(whole.path(), file), read(parts.path(), file), "{file}");
    }
    // No accuracy, no baseline: nothing is made up for them.
    assert!(
        read(whole.path(), "validation.csv")
            .lines()
            .skip(1)
            .all(|row| row.split(',').nth(5) == Some(""))
    );
    assert!(!read(whole.path(), "summary.json").contains("baseline"));
}

#[test]
fn what_was_given_and_what_failed_are_told_apart() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let run = |config: Config, existing| {
        let options = Options { existing, ..options(dir.path()) };
        training(config).run(&options)
    };
    for (wrong, words) in [
        (with_plan(|plan| Plan { steps: 0, ..plan }), "`steps` must be at least one"),
        (RunConfig { batch: 0, ..config(&[]) }, "`batch` is 0, must be at least 1"),
        (RunConfig { lr: f64::NAN, ..config(&[]) }, "`lr` is NaN, must be above 0 and at most 1"),
        (
            with_plan(|plan| plan.with_schedule(Schedule::one_hop(&[2], &[9], 0.5))),
            "`stages[1].layers`",
        ),
    ] {
        let error = run(wrong, Existing::Refuse).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
    run(config(&[]), Existing::Refuse).unwrap();
    let error = run(config(&[]), Existing::Refuse).unwrap_err();
    assert!(matches!(error, LabError::HoldsRun { .. }) && error.is_usage(), "{error}");
    let other = with_plan(|plan| plan.with_seed(7));
    let error = run(other, Existing::Resume).unwrap_err();
    assert!(matches!(error, LabError::OtherRun { .. }) && error.is_usage(), "{error}");

    // Bad numbers in step 4, after the checkpoint of step 3.
    let error = run(config(&[9]), Existing::Overwrite).unwrap_err();
    let LabError::Ended { roll_back: RollBack::NotAsked, kept: Some(3), .. } = error else {
        panic!("{error}")
    };
    assert!(!error.is_usage() && error.to_string().contains("the checkpoint of step 3 is kept"));
}

/// A task's part that has a field of `RunConfig`'s own.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Batched {
    batch: usize,
}

#[test]
fn a_configuration_that_no_file_can_hold_is_refused() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    fn refused<C: PartialEq + Serialize + DeserializeOwned>(task: C, folder: &Path) -> String {
        let config = RunConfig::new(task, Plan::new(8));
        let training = Training::new(Doubling { bad: Vec::new() }, config);
        let error = training.run(&options(folder)).unwrap_err();
        assert!(error.is_usage());
        error.to_string()
    }
    let number = refused(4, dir.path());
    assert!(number.contains("`task`") && number.contains("must be a struct"), "{number}");
    let twice = refused(Batched { batch: 4 }, dir.path());
    assert!(twice.contains("duplicate field `batch`"), "{twice}");
}

#[test]
fn a_run_rolls_back_and_goes_on_with_other_data() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let config = RunConfig { not_finite: OnNotFinite::RollBack, ..config(&[9]) };
    training(config).observer(seen.clone()).run(&options(dir.path())).unwrap();
    let seen = seen.moments.take();
    let back = seen.iter().position(|moment| moment == "roll back 3").unwrap();
    // Steps 3 and 4 took micro-batches 6 to 9.
    assert_eq!(seen[back + 1], "micro-batch 10");
}

/// Grows by the better of two candidates, after step 3, and not as the schedule says.
fn trying_out(run: &mut Run<Doubling, Doubling>) -> Result<()> {
    if run.apollo.step_count() != 3 {
        return run.step().map(drop);
    }
    let mut tried = Vec::new();
    for growth in [GrowthRequest::next(), GrowthRequest::next().with_expander(Stacking)] {
        let mut branch = run.branch();
        branch.grow(&growth)?;
        branch.step()?;
        tried.push((branch.loss(InferenceDepth::Full)?, branch));
    }
    let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(Ok(()), |(_, branch)| run.adopt(branch))
}

#[test]
fn a_run_goes_on_as_the_branch_that_it_adopts() {
    let _alone = alone();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let training = || training(config(&[])).step(trying_out);
    training().run(&options(whole.path())).unwrap();
    let mut options = options(parts.path());
    options.existing = Existing::Resume;
    for stop in [Some(2), Some(4), Some(6), None] {
        options.stop_after = stop;
        training().run(&options).unwrap();
    }
    let read = |dir: &Path, file| std::fs::read_to_string(dir.join(file)).unwrap();
    let steps = read(whole.path(), "steps.csv");
    assert_eq!(steps, read(parts.path(), "steps.csv"));
    let layers: Vec<&str> =
        steps.lines().skip(1).map(|row| row.split(',').nth(2).unwrap()).collect();
    assert_eq!(layers, ["2", "2", "2", "4", "4", "4", "4", "4"]);
    // Both candidates cost layer passes: 3 steps of at least 2 layers, 2 of 4 at step 3, 4 of 4, twice each.
    let summary: serde_json::Value =
        serde_json::from_str(&read(whole.path(), "summary.json")).unwrap();
    assert!(summary["layer_passes"].as_u64().unwrap() >= 2 * (3 * 2 + 2 * 4 + 4 * 4));
}

#[test]
fn micro_batches_side_by_side_change_no_bit() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for workers in [None, Some(1), Some(2), Some(7)] {
        let config = RunConfig { accumulate: 5, ..config(&[]) };
        let folder = dir.path().join(format!("{workers:?}"));
        let mut options = options(&folder);
        options.workers = workers.and_then(NonZeroUsize::new);
        let seen = Seen::default();
        let run = training(config).observer(seen.clone()).run(&options).unwrap();
        assert_eq!(run, End::Finished);
        let tables =
            ["steps.csv", "validation.csv"].map(|name| std::fs::read(folder.join(name)).unwrap());
        found.push((tables, seen.moments.take()));
    }
    assert!(found.iter().all(|other| *other == found[0]));
}

#[test]
fn a_panic_in_a_micro_batch_at_the_side_is_the_runs_own() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.workers = NonZeroUsize::new(2);
    let config = RunConfig { accumulate: 3, ..config(&[PANIC]) };
    let run = std::panic::AssertUnwindSafe(|| training(config).run(&options));
    let panic = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "this batch is bad");
}
