//! What a checkpoint costs: against Burn's own records, and in training steps.

use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::schedule::Schedule;

use super::model::{Size, adamw, median, timed};

/// A set of the full model with AdamW state, against Burn's three records written one by one and not synced.
pub fn report(device: &Device) {
    let size = Size::MIDDLE;
    let dir = tempfile::tempdir().expect("a folder");
    let store = CheckpointStore::open(dir.path(), Retention::last(1)).expect("the folder is free");
    let plan = Plan::new(100).with_schedule(Schedule::from_scratch(&[12]));
    let mut apollo = size.apollo(plan, device);
    let (mut optim, scheduler) = (adamw(), ModuleLrScheduler::new(ConstantLr::new(1e-4)));
    let (mut steps, mut sets, mut records, mut bytes) = (vec![], vec![], vec![], 0);
    for _ in 0..15 {
        let (step, _) = timed(|| size.step(&mut apollo, &mut optim, device));
        let (set, report) = timed(|| {
            let snapshot = Snapshot::new(&apollo, &optim, &scheduler).expect("records have bytes");
            store.save(snapshot).expect("there is room")
        });
        let (record, ()) = timed(|| {
            let save = |name: &str| dir.path().join(name);
            apollo.model().clone().into_record().save(save("model")).expect("there is room");
            optim.to_record().save(save("optim")).expect("there is room");
            scheduler.to_record().save(save("scheduler")).expect("there is room");
        });
        bytes = report.bytes;
        steps.push(step);
        sets.push(set);
        records.push(record);
    }
    let (step, set, record) = (median(steps), median(sets), median(records));
    println!(
        "checkpoint of {:.1} MB in {:.0} ms: {:.2} times Burn's three records, {:.2} training steps of {} tokens",
        bytes as f64 / 1e6,
        set * 1e3,
        set / record,
        set / step,
        size.tokens()
    );
}
