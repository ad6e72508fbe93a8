//! Weights that are drawn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use burn_apollo::schedule::Schedule;
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan};

use crate::kind::turn;
use crate::support::{Block, Net, adamw, bits, device, load_record, parameters, record, train};

#[test]
fn layers_without_a_source_come_from_the_initialiser() {
    let _turn = turn();
    let plan = || Plan::new(20).with_schedule(Schedule::one_hop(&[0], &[4], 0.5)).with_seed(8);
    let run = |noise_seed: u64| {
        let mut optim = adamw();
        let mut model = Apollo::new(Net::random(4, &device()), plan()).unwrap();
        assert_eq!((model.unique_layers(), model.depth()), (0, 0));
        model = train(model, &mut optim, 9);
        device().seed(noise_seed); // whatever else was drawn from the device's generator
        let model = train(model, &mut optim, 1);
        assert_eq!((model.unique_layers(), model.depth()), (4, 4));
        train(model, &mut optim, 3)
    };
    let (first, second) = (run(1), run(2));
    assert_eq!(bits(first.model()), bits(second.model()), "new layers follow from the seed");

    // It resumes too, on either side of the growth.
    let fresh = Apollo::new(Net::random(4, &device()), plan()).unwrap();
    let again = load_record(fresh, record(&first));
    assert_eq!(parameters(again.model()), parameters(first.model()));

    let mut built = Net::new(4, &device());
    built.blocks = Net::new(4, &device()).blocks.layers().to_vec().into();
    let error = Apollo::new(built, plan()).unwrap_err();
    assert!(error.to_string().contains("LayerStack::from_fn"), "{error}");
}

/// A worker that begins a step seeds the generator for it; while another one grows, it waits until the layers are drawn.
#[test]
fn a_step_beside_a_growth_does_not_change_what_the_growth_draws() {
    let _turn = turn();
    let plan = || Plan::new(8).with_schedule(Schedule::one_hop(&[0], &[3], 0.5)).with_seed(8);
    let grown = |before_second: Box<dyn Fn() + Send + Sync>| {
        let growing = Arc::new(AtomicBool::new(false));
        let mut net = Net::new(3, &device());
        let begun = growing.clone();
        net.blocks = LayerStack::from_fn(3, move |index| {
            if index == 1 && begun.load(Ordering::SeqCst) {
                before_second();
            }
            Block::random(&device())
        });
        let model = train(Apollo::new(net, plan()).unwrap(), &mut adamw(), 3);
        growing.store(true, Ordering::SeqCst);
        bits(train(model, &mut adamw(), 2).model())
    };
    let alone = grown(Box::new(|| ()));

    let (begin, begun) = channel();
    let (stepped, step) = channel();
    let worker = Apollo::new(Net::new(3, &device()), Plan::new(8).with_seed(9)).unwrap();
    let worker = thread::spawn(move || {
        begun.recv().unwrap();
        train(worker, &mut adamw(), 1);
        let _ = stepped.send(());
    });
    let step = Mutex::new(step);
    let beside = grown(Box::new(move || {
        begin.send(()).unwrap();
        // A worker that does not wait is done with its step by then.
        let _ = step.lock().unwrap().recv_timeout(Duration::from_millis(500));
    }));
    worker.join().unwrap();
    assert_eq!(alone, beside);
}

/// Weights are drawn as the user seeded the device, before the run seeds it for its first step.
#[test]
fn weights_are_drawn_before_the_first_step() {
    let _turn = turn();
    device().seed(5);
    let drawn = bits(&Net::random(4, &device()));
    device().seed(5);
    let plan = Plan::new(20).with_schedule(Schedule::from_scratch(&[4]));
    let apollo = Apollo::new(Net::random(4, &device()), plan).unwrap();
    assert_eq!(bits(apollo.model()), drawn);
}
