//! Faults that the tests ask for by the environment variable `BURN_APOLLO_FAULT`.

use std::time::Duration;

use burn::tensor::Tensor;

fn asked(kind: &str) -> Option<String> {
    let fault = std::env::var("BURN_APOLLO_FAULT").ok()?;
    fault.strip_prefix(kind)?.strip_prefix('@').map(str::to_owned)
}

/// `pause@POINT`: says so and waits for ever, so that a test can kill the process there.
pub fn pause(point: &str) {
    if asked("pause").is_some_and(|at| at == point) {
        eprintln!("paused at {point}");
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// `nan@NUMBER`: the loss of the micro-batch of that number is not a number.
pub fn poison(loss: Tensor<1>, number: u64) -> Tensor<1> {
    match asked("nan").is_some_and(|at| at == number.to_string()) {
        true => loss.mul_scalar(f64::NAN),
        false => loss,
    }
}
