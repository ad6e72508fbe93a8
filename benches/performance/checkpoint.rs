//! What a checkpoint costs: against Burn's own records, and in training steps.

use apollo_benches::{Size, adamw};
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::schedule::Schedule;
use criterion::Criterion;

use super::median;

/// A set of the full model with AdamW state, against Burn's three records written one by one and not synced.
pub fn group(criterion: &mut Criterion, device: &Device) {
    let size = Size::MIDDLE;
    let dir = tempfile::tempdir().expect("a folder");
    let store = CheckpointStore::open(dir.path(), Retention::last(1)).expect("the folder is free");
    let plan = Plan::new(100_000).with_schedule(Schedule::from_scratch(&[12]));
    let mut apollo = size.apollo(plan, device);
    let (mut optim, scheduler) = (adamw(), ModuleLrScheduler::new(ConstantLr::new(1e-4)));
    let mut group = criterion.benchmark_group("checkpoint");
    let step = median(&mut group, "a training step", || {
        size.step(&mut apollo, &mut optim, device);
    });
    let records = median(&mut group, "Burn's three records", || {
        let save = |name: &str| dir.path().join(name);
        apollo.model().clone().into_record().save(save("model")).expect("there is room");
        optim.to_record().save(save("optim")).expect("there is room");
        scheduler.to_record().save(save("scheduler")).expect("there is room");
    });
    let mut bytes = 0;
    let set = median(&mut group, "a set", || {
        let snapshot = Snapshot::new(&apollo, &optim, &scheduler).expect("records have bytes");
        bytes = store.save(snapshot).expect("there is room").bytes;
    });
    if let (Some(step), Some(records), Some(set)) = (step, records, set) {
        println!(
            "checkpoint of {:.1} MB in {:.0} ms: {:.2} times Burn's three records, {:.2} training steps of {} tokens",
            bytes as f64 / 1e6,
            set * 1e3,
            set / records,
            set / step,
            size.tokens()
        );
    }
    group.finish();
}
