//! Random numbers and branches. Devices of a process share a generator, so this test has a process of its own.

mod support;

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Distribution, Tensor};
use burn_apollo::{Apollo, ApolloConfig, Growth};
use support::{Net, adamw, apollo, batch, device, parameters, stages};

/// A step whose input is disturbed by noise that the device draws, as dropout is.
fn noisy_step(apollo: Apollo<Net>, optim: &mut ModuleOptimizer) -> Apollo<Net> {
    let x = batch(apollo.step_count(), &device());
    let noise = Tensor::random(x.dims(), Distribution::Normal(0.0, 0.1), &device());
    let grads = GradientsParams::from_grads(apollo.loss(x + noise).backward(), &apollo);
    apollo.optimize(optim, 0.01, grads)
}

fn noisy_steps(mut apollo: Apollo<Net>, optim: &mut ModuleOptimizer, steps: u64) -> Apollo<Net> {
    for _ in 0..steps {
        apollo = noisy_step(apollo, optim);
    }
    apollo
}

#[test]
fn branches_and_the_run_draw_what_they_would_have_drawn() {
    let start = apollo(6, ApolloConfig::new(40).with_schedule(stages(&[(2, 30)], 6)));
    let mut straight_optim = adamw();
    let early = noisy_steps(start.clone(), &mut straight_optim, 4);
    let (mut run, mut optim) = (early.clone(), straight_optim.clone());
    let straight = noisy_steps(early, &mut straight_optim, 6);

    // Two equal branches see the same noise, and the run that goes on without them what it would have seen.
    let mut tried = Vec::new();
    for _ in 0..2 {
        let (mut branch, mut optim) = (run.branch(), optim.clone());
        branch.grow_now(&mut optim, &Growth::next()).unwrap();
        tried.push(parameters(&noisy_steps(branch, &mut optim, 3)));
    }
    assert_eq!(tried[0], tried[1]);
    run.adopt(run.branch()).unwrap();
    run = noisy_steps(run, &mut optim, 6);
    assert_eq!(parameters(&run), parameters(&straight));
}
