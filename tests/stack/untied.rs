//! The gradients of each use of a shared layer, as a policy of a user's own may want to look at them.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn_apollo::depth::ConstantHigh;
use burn_apollo::stack::Untied;
use burn_apollo::{Apollo, Plan};

use crate::support::{
    Net, WIDTH, adamw, apollo, batch, bits, device, parameters, stages, train, train_step,
};

/// 2 unique layers of 7, all used at depth 7: layer 0 four times, layer 1 three times.
fn shared() -> Apollo<Net> {
    let plan = Plan::new(40).with_schedule(stages(&[(2, 20)], 7)).with_sampler(ConstantHigh);
    train(apollo(7, plan), &mut adamw(), 3)
}

fn gradients(model: &Net, x: &Tensor<2>) -> GradientsParams {
    GradientsParams::from_grads(model.loss(x.clone()).backward(), model)
}

fn floats<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.to_data().iter::<f32>().collect()
}

#[test]
fn the_gradients_of_the_uses_sum_up_to_the_shared_one() {
    let (apollo, x) = (shared(), batch(9, &device()));
    let untied = Untied::new(apollo.model());
    let loss = |net: &Net| net.loss(x.clone()).into_scalar::<f32>().to_bits();
    assert_eq!(loss(untied.model()), loss(apollo.model()), "the same function");

    let tied = untied.tie(gradients(untied.model(), &x));
    let expected = gradients(apollo.model(), &x);
    assert_eq!(tied.len(), expected.len());
    for (path, (id, _)) in parameters(apollo.model()) {
        let of = |grads: &GradientsParams| match path.ends_with("bias") {
            true => floats(&grads.get::<1>(id).unwrap()),
            false => floats(&grads.get::<2>(id).unwrap()),
        };
        assert_eq!(of(&tied), of(&expected), "{path}, to the last bit");
    }
}

#[test]
fn every_use_has_ids_and_a_gradient_of_its_own() {
    let (apollo, x) = (shared(), batch(9, &device()));
    let untied = Untied::new(apollo.model());
    let mut ids: Vec<_> = parameters(untied.model()).into_values().map(|(id, _)| id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let again = Untied::new(apollo.model());
    assert_eq!(parameters(untied.model()), parameters(again.model()), "ids are deterministic");

    // The gradient of one use alone is one of its unique layer alone.
    let order = [0, 0, 0, 0, 1, 1, 1];
    assert_eq!(apollo.model().blocks.order(), order);
    let (shared, uses) = (parameters(apollo.model()), parameters(untied.model()));
    for (place, unique) in order.into_iter().enumerate() {
        let weight = |layer: usize| format!("blocks.{layer}.linear.weight");
        let (id, bits) = &uses[&weight(place)];
        let (parent, expected) = &shared[&weight(unique)];
        assert_eq!(bits, expected, "use {place}");
        let (mut one, ones) = (GradientsParams::new(), Tensor::<2>::ones([WIDTH; 2], &x.device()));
        one.register(*id, ones.clone().inner());
        let tied = untied.tie(one);
        assert_eq!(tied.len(), 1, "use {place}");
        assert_eq!(floats(&tied.get::<2>(*parent).unwrap()), floats(&ones), "use {place}");
    }

    // The slope of the loss in one weight of one use.
    let rows = untied.gradients(&gradients(untied.model(), &x)).remove(0);
    assert_eq!(rows.len(), 7);
    for (layer, row) in rows.iter().enumerate() {
        let row = floats(row);
        assert_eq!(row.len(), WIDTH * WIDTH + WIDTH);
        let at = |delta: f32| {
            let mut model = untied.model().clone();
            model.blocks.layers_mut()[layer].nudge(1, 2, delta);
            f64::from(model.loss(x.clone()).into_scalar::<f32>())
        };
        let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
        let found = f64::from(row[WIDTH + 2]);
        assert!((slope - found).abs() < 2e-2 * found.abs().max(0.1), "{layer}: {slope} {found}");
    }
}

#[test]
fn training_on_untied_gradients_is_training() {
    let plan = || Plan::new(20).with_schedule(stages(&[(1, 5), (3, 10)], 6));
    let (mut plain, mut untied) = (apollo(6, plan()), apollo(6, plan()));
    let (mut plain_optim, mut optim) = (adamw(), adamw());
    for step in 0..20 {
        train_step(&mut plain, &mut plain_optim, 0.01);
        let model = Untied::new(untied.model());
        let grads = model.tie(gradients(model.model(), &batch(step, &device())));
        untied.update(&mut optim, 0.01, grads).unwrap();
        assert_eq!(bits(untied.model()), bits(plain.model()), "step {step}");
    }
}
