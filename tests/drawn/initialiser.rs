//! Weights that are drawn.

use burn_apollo::schedule::Schedule;
use burn_apollo::{Apollo, Plan};

use crate::kind::turn;
use crate::support::{Net, adamw, bits, device, load_record, parameters, record, train};

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
