//! Records: a run taken up at any stage, and the model without its wrapper.

use burn::module::Module;
use burn::store::{ModuleRecord, RecordError};
use burn_apollo::policy::LossPlateau;
use burn_apollo::schedule::LrAtGrowth;
use burn_apollo::{Apollo, Plan};

use crate::support::{
    Net, adamw, apollo, batch, device, load_record, loss_at, parameters, record, record_bytes,
    stages, train, train_step, try_load_record,
};

#[test]
fn a_record_of_any_stage_resumes_bit_for_bit() {
    let plan = || {
        Plan::new(40)
            .with_schedule(stages(&[(1, 8), (3, 16), (6, 24)], 12))
            .with_seed(5)
            .with_lr_at_growth(LrAtGrowth::Rewarm { from: 0.1, steps: 5 })
    };
    let mut optim = adamw();
    let mut model = apollo(12, plan());
    let (mut losses, mut saved) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        saved.push((record_bytes(&model), optim.to_record().into_bytes().unwrap()));
        let (bits, _) = train_step(&mut model, &mut optim, 0.01);
        losses.push((model.depth(), bits));
    }
    // Before, at and after each growth, and at both ends.
    for step in [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 39] {
        let (record, state) = saved[step].clone();
        // The new process builds another model; everything must come from the records.
        let fresh = Apollo::new(Net::random(12, &device()), plan()).unwrap();
        let fresh = load_record(fresh, ModuleRecord::from_bytes(record).unwrap());
        let mut optim = adamw().from_bytes(state).unwrap();
        assert_eq!(fresh.step_count(), step as u64);
        let mut resumed = fresh;
        for (i, expected) in losses.iter().enumerate().skip(step) {
            let (bits, _) = train_step(&mut resumed, &mut optim, 0.01);
            assert_eq!((resumed.depth(), bits), *expected, "step {i} of a run resumed at {step}");
        }
        let (found, expected) = (parameters(resumed.model()), parameters(model.model()));
        assert_eq!(found, expected, "resumed at {step}");
        assert_eq!(resumed.registry(), model.registry(), "resumed at {step}");
    }
}

#[test]
fn a_later_model_loads_an_earlier_record() {
    let plan = || Plan::new(40).with_schedule(stages(&[(2, 4)], 6));
    let mut optim = adamw();
    let early = train(apollo(6, plan()), &mut optim, 3);
    let late = train(early.clone(), &mut optim, 4);
    assert_eq!(late.unique_layers(), 6);
    let back = load_record(late, record(&early));
    assert_eq!((back.unique_layers(), back.step_count()), (2, 3));
    assert_eq!(parameters(back.model()), parameters(early.model()));
}

#[test]
fn records_of_other_runs_are_refused() {
    let model = |stages_of: &[(usize, u64)], layers| {
        apollo(layers, Plan::new(40).with_schedule(stages(stages_of, layers)))
    };
    let record = || record(&model(&[(2, 4)], 6));
    let error = |r: Result<Apollo<Net>, RecordError>| format!("{:?}", r.unwrap_err());

    let plain = Net::new(6, &device()).into_record();
    assert!(error(try_load_record(model(&[(2, 4)], 6), plain)).contains("apollo.progress"));
    let stages = error(try_load_record(model(&[(2, 4), (3, 6)], 6), record()));
    assert!(stages.contains("3 stages"), "{stages}");
    let layers = error(try_load_record(model(&[(3, 4)], 6), record()));
    assert!(layers.contains("blocks.2"), "{layers}");
}

#[test]
fn the_inner_model_has_no_trace_of_apollo() {
    let mut optim = adamw();
    for steps in [3, 20] {
        let plan = Plan::new(20).with_schedule(stages(&[(2, 5), (4, 10)], 8));
        let model = train(apollo(8, plan), &mut optim, steps);
        let full = loss_at(&model, 8, &batch(5, &device()));
        let inner = model.into_partly_trained().unwrap();
        assert_eq!((inner.blocks.depth(), inner.blocks.layers().len()), (8, 8));
        let loss = inner.loss(batch(5, &device())).into_scalar::<f32>().to_bits();
        assert_eq!(loss, full, "the model it grows into is the one that ran at full depth");
        let paths: Vec<String> = parameters(&inner).into_keys().collect();
        let plain: Vec<String> = parameters(&Net::new(8, &device())).into_keys().collect();
        assert_eq!(paths, plain);
        let record = inner.clone().into_record();
        assert_eq!(record.len(), plain.len());
        let loaded = Net::new(8, &device()).load_record(record);
        assert_eq!(parameters(&loaded), parameters(&inner));
        optim = adamw();
    }
}

#[test]
fn a_plateau_grows_early_and_resumes() {
    let plan = || {
        Plan::new(200)
            .with_schedule(stages(&[(2, 150)], 4))
            .with_policy(LossPlateau::new(12).unwrap())
    };
    let loss = |step: u64| if step < 20 { 5.0 * 0.9f64.powi(step as i32) } else { 0.6 };
    let mut optim = adamw();
    let mut model = apollo(4, plan());
    let mut halfway = None;
    while model.stage() == 0 {
        let step = model.step_count();
        model.record_loss(step, loss(step));
        train_step(&mut model, &mut optim, 0.01);
        if step == 25 {
            halfway = Some((record(&model), optim.to_record()));
        }
    }
    let grown = model.step_count();
    assert!((32..150).contains(&grown), "{grown}");

    let (record, state) = halfway.unwrap();
    let mut model = load_record(apollo(4, plan()), record);
    let mut optim = adamw().load_record(state);
    while model.stage() == 0 {
        let step = model.step_count();
        model.record_loss(step, loss(step));
        train_step(&mut model, &mut optim, 0.01);
    }
    assert_eq!(model.step_count(), grown);
}
