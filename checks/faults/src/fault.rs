use std::io::Read;

use burn::tensor::Tensor;

/// Whether the fault `kind@at` is among those asked for, which commas part.
fn asked(kind: &str, at: &str) -> bool {
    let Ok(faults) = std::env::var("BURN_APOLLO_FAULT") else { return false };
    faults.split(',').any(|fault| fault.split_once('@') == Some((kind, at)))
}

/// `pause@POINT`: says so and waits for the end of standard input, so that a test can kill the process there.
pub fn pause(point: &str) {
    if asked("pause", point) {
        eprintln!("paused at {point}");
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
}

/// `nan@NUMBER`: the loss of the micro-batch of that number is not a number.
pub fn poison(loss: Tensor<1>, number: u64) -> Tensor<1> {
    match asked("nan", &number.to_string()) {
        true => loss.mul_scalar(f64::NAN),
        false => loss,
    }
}
