//! Weights that are drawn. Alone in its file: the tests depend on the device's random generator, which those of one
//! process share.

mod support;

use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn_apollo::schedule::Schedule;
use burn_apollo::{Apollo, ApolloConfig};
use support::{Net, adamw, bits, device, parameters, train};

static TURN: Mutex<()> = Mutex::new(());

#[test]
fn layers_without_a_source_come_from_the_initialiser() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let config =
        || ApolloConfig::new(20).with_schedule(Schedule::one_hop(&[0], &[4], 0.5)).with_seed(8);
    let run = |noise_seed: u64| {
        let mut optim = adamw();
        let mut model = Apollo::new(Net::random(4, &device()), config()).unwrap();
        assert_eq!((model.unique_layers(), model.depth()), (0, 0));
        model = train(model, &mut optim, 9);
        device().seed(noise_seed); // whatever else was drawn from the device's generator
        let model = train(model, &mut optim, 1);
        assert_eq!((model.unique_layers(), model.depth()), (4, 4));
        train(model, &mut optim, 3)
    };
    let (first, second) = (run(1), run(2));
    assert_eq!(bits(&first), bits(&second), "new layers follow from the seed");

    // It resumes too, on either side of the growth.
    let again = Apollo::new(Net::random(4, &device()), config())
        .unwrap()
        .load_record(first.clone().into_record());
    assert_eq!(parameters(&again), parameters(&first));

    let mut built = Net::new(4, &device());
    built.blocks = Net::new(4, &device()).blocks.layers().to_vec().into();
    let error = Apollo::new(built, config()).unwrap_err();
    assert!(error.to_string().contains("LayerStack::from_fn"), "{error}");
}

/// Weights are drawn as the user seeded the device, before the run seeds it for its first step.
#[test]
fn weights_are_drawn_before_the_first_step() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    device().seed(5);
    let drawn = bits(&Net::random(4, &device()));
    device().seed(5);
    let config = ApolloConfig::new(20).with_schedule(Schedule::from_scratch(&[4]));
    assert_eq!(bits(&Apollo::new(Net::random(4, &device()), config).unwrap()), drawn);
}
