//! What a run costs beside the layers' own work grows with the number of layers and no faster. Counted are allocations:
//! they do not depend on the machine.

mod support;

use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn_apollo::Plan;
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::depth::ConstantLow;
use burn_apollo::schedule::Schedule;
use support::{adamw, apollo, train_step};

/// Allocations of each kind of work for a run that grows from a quarter of `layers` to all of them.
fn counted(layers: usize) -> Vec<(&'static str, u64)> {
    let mut counts = Vec::new();
    let mut count = |name: &'static str, work: &mut dyn FnMut()| {
        counts.push((name, allocation_counter::measure(work).count_total));
    };
    let plan = Plan::new(8).with_schedule(Schedule::one_hop(&[layers / 4], &[layers], 0.5));
    let plan = plan.with_sampler(ConstantLow);
    let mut run = None;
    count("a run made", &mut || run = Some(apollo(layers, plan.clone())));
    let (mut run, mut optim) = (run.expect("it was made"), adamw());
    for name in
        ["the first step", "a step", "another step", "a step with growth", "a step after it"]
    {
        count(name, &mut || drop(train_step(&mut run, &mut optim, 0.01)));
    }
    assert_eq!(run.unique_layers(), layers);
    count("a registry", &mut || drop(run.registry()));
    let scheduler = ModuleLrScheduler::new(ConstantLr::new(0.01));
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::last(1)).unwrap();
    count("a checkpoint", &mut || {
        store.save(Snapshot::new(&run, &optim, &scheduler).unwrap()).unwrap();
    });
    count("a resume", &mut || {
        let set = store.latest_good().unwrap().unwrap().set;
        let fresh = (apollo(layers, plan.clone()), adamw(), scheduler.clone());
        set.load(fresh.0, fresh.1, fresh.2).unwrap();
    });
    counts
}

#[test]
fn a_thousand_layers_cost_four_times_what_250_do() {
    let (few, many) = (counted(250), counted(1000));
    for ((name, few), (_, many)) in few.into_iter().zip(many) {
        let ratio = many as f64 / few as f64;
        println!("{name}: {few} allocations for 250 layers, {many} for 1,000: {ratio:.2} times");
        assert!(few > 250, "{name}: {few}");
        assert!(ratio < 4.4, "{name}: {few} for 250 layers, {many} for 1,000");
    }
}
