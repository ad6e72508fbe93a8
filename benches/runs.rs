//! Whether saved operations are saved time, over whole runs that take turns: `cargo bench --bench runs`. Goal: at least 0.98
//! of them.

use std::time::Instant;

use apollo_examples::models::gpt::OUTPUT_PROJECTIONS;
use burn::tensor::Device;
use burn_apollo::cost::Meter;
use burn_apollo::recipe::{Recipe, Setting};

use apollo_benches::{Size, adamw};

const RECIPES: [&str; 4] = ["scratch", "apollo_wsd", "gradual", "half_zeroed"];

fn main() {
    let device = Device::flex().autodiff();
    device.seed(1);
    for (name, size, steps) in [("tiny", Size::TINY, 400), ("middle", Size::MIDDLE, 100)] {
        ratios(name, size, steps, &device);
    }
}

/// The runs go on together, a step of each in turn. Growths and the steps after them count.
fn ratios(name: &str, size: Size, steps: u64, device: &Device) {
    let setting = Setting::new(steps, &[size.layers]).with_output_projections(OUTPUT_PROJECTIONS);
    let run = |name: &str| {
        let recipe = Recipe::by_name(name).expect("a recipe's name");
        let plan = recipe.plan(&setting).expect("the setting names the output projections");
        (size.apollo(plan, device), adamw(), Meter::default(), 0.0)
    };
    let mut runs = RECIPES.map(run);
    for _ in 0..steps {
        for (apollo, optim, meter, seconds) in &mut runs {
            let start = Instant::now();
            let report = size.step(apollo, optim, device);
            *seconds += start.elapsed().as_secs_f64();
            meter.count(&size.cost(), &report.depths, size.tokens() as u64);
        }
    }
    let (_, _, scratch, scratch_seconds) = &runs[0];
    for ((_, _, meter, seconds), recipe) in runs.iter().zip(RECIPES).skip(1) {
        let saved_operations = 1.0 - meter.operations() / scratch.operations();
        let saved_time = 1.0 - seconds / scratch_seconds;
        println!(
            "{name} model, {recipe}, {steps} steps: {:.1} % of the operations and {:.1} % of the time saved; time / operations \
             = {:.3}",
            saved_operations * 100.0,
            saved_time * 100.0,
            saved_time / saved_operations
        );
    }
}
