//! Depth distributions and draws, over the whole range and by their statistics.

use std::sync::LazyLock;

use burn_apollo::depth::{
    ConstantHigh, ConstantLow, DepthPmf, DepthSampler, Lvps, Sigmoid, Uniform, draw,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::Distribution;

fn roster() -> Vec<Box<dyn DepthSampler>> {
    vec![
        Box::new(Lvps::default()),
        Box::new(Uniform),
        Box::new(Sigmoid),
        Box::new(ConstantHigh),
        Box::new(ConstantLow),
    ]
}

/// Upper 10⁻⁶ quantile of the chi-square distribution (Wilson and Hilferty 1931).
fn chi_square_limit(freedom: f64) -> f64 {
    let z = 4.753_424_3;
    let k = 2.0 / (9.0 * freedom);
    freedom * (1.0 - k + z * k.sqrt()).powi(3)
}

/// Chi-square of `counts` against the sampler's exact pmf; depths expected fewer than 8 times are pooled.
fn chi_square(counts: &[u64], probabilities: &[f64]) -> (f64, f64) {
    let n = counts.iter().sum::<u64>() as f64;
    let (mut statistic, mut cells) = (0.0, 0.0);
    let (mut pooled, mut pooled_expected) = (0.0, 0.0);
    for (count, p) in counts.iter().zip(probabilities) {
        if *p == 0.0 {
            assert_eq!(*count, 0, "a depth of probability 0 was drawn");
            continue;
        }
        if n * p < 8.0 {
            pooled += *count as f64;
            pooled_expected += n * p;
            continue;
        }
        statistic += (*count as f64 - n * p).powi(2) / (n * p);
        cells += 1.0;
    }
    if pooled_expected > 0.0 {
        statistic += (pooled - pooled_expected).powi(2) / pooled_expected.max(1.0);
        cells += 1.0;
    }
    (statistic, cells - 1.0)
}

#[test]
fn every_pmf_is_a_distribution_on_unique_to_target() {
    for sampler in roster() {
        for target in 1..=128 {
            for unique in 1..=target {
                let pmf = sampler.pmf(unique, target).unwrap();
                let total: f64 = pmf.iter().map(|(_, p)| p).sum();
                assert!((total - 1.0).abs() < 1e-12, "{sampler:?} {unique} {target}: {total}");
                assert_eq!((pmf.lowest(), pmf.highest()), (unique, target));
                assert!(pmf.iter().all(|(_, p)| p >= 0.0));
                assert_eq!(pmf.probability(unique - 1) + pmf.probability(target + 1), 0.0);
            }
        }
    }
}

#[test]
fn drawn_frequencies_agree_with_the_pmf() {
    for sampler in roster() {
        for (unique, target) in [(1, 12), (3, 12), (6, 12), (12, 12), (7, 24), (1, 128), (100, 128)]
        {
            let pmf = sampler.pmf(unique, target).unwrap();
            let mut counts = vec![0_u64; target + 1];
            (0..20_000).for_each(|step| counts[draw(&pmf, 5, step, 0, 0)] += 1);
            let probabilities: Vec<f64> = (0..=target).map(|d| pmf.probability(d)).collect();
            let (statistic, freedom) = chi_square(&counts, &probabilities);
            if freedom > 0.0 {
                let limit = chi_square_limit(freedom);
                assert!(statistic < limit, "{sampler:?} {unique} {target}: {statistic} > {limit}");
            }
        }
    }
}

/// The published sampler, as a program, against our closed form.
#[test]
fn the_published_sampler_has_the_closed_form() {
    let (unique, target) = (3_usize, 12_usize);
    let (r, e, x0) = (4.0, 0.6, 1e-6);
    let b = r + 0.4;
    let n = (b * x0 - e) / (e - b);
    let m = e * (n + 1.0);
    let points = 2_000_000;
    let mut counts = vec![0_u64; target + 1];
    for i in 0..points {
        let x = x0 + (f64::from(i) + 0.5) / f64::from(points) * (1.0 - x0);
        let y = (m / (x + n)).clamp(1.0, r);
        counts[(y * unique as f64).floor() as usize] += 1;
    }
    let pmf = Lvps::default().pmf(unique, target).unwrap();
    for (depth, count) in counts.iter().enumerate() {
        let found = *count as f64 / f64::from(points);
        assert!((found - pmf.probability(depth)).abs() < 2e-6, "depth {depth}: {found}");
    }
}

/// The draws are part of the public contract: a change here is "value-breaking" in the changelog.
#[test]
fn draws_are_stable() {
    let pmf = Lvps::default().pmf(1, 12).unwrap();
    let depths = |seed, micro, stack| -> Vec<usize> {
        (0..16).map(|step| draw(&pmf, seed, step, micro, stack)).collect()
    };
    assert_eq!(depths(0, 0, 0), STABLE[0]);
    assert_eq!(depths(42, 0, 0), STABLE[1]);
    assert_eq!(depths(42, 1, 0), STABLE[2]);
    assert_eq!(depths(42, 0, 1), STABLE[3]);
    let far = draw(&Uniform.pmf(1, 128).unwrap(), u64::MAX, u64::MAX, 1 << 40, u16::MAX);
    assert_eq!(far, STABLE_FAR);
}

const STABLE: [[usize; 16]; 4] = [
    [1, 1, 2, 1, 3, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 4, 1, 1, 1, 2, 1, 2, 2, 2, 3, 1],
    [3, 2, 3, 1, 1, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1, 1],
    [2, 1, 1, 1, 1, 1, 8, 1, 1, 1, 2, 1, 2, 1, 1, 2],
];
const STABLE_FAR: usize = 35;

#[test]
fn the_distribution_trait_draws_the_same_law() {
    let pmf = Lvps::default().pmf(6, 12).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mean = (0..50_000).map(|_| pmf.sample(&mut rng) as f64).sum::<f64>() / 50_000.0;
    assert!((mean - pmf.mean()).abs() < 0.05, "{mean} against {}", pmf.mean());
}

proptest! {
    #[test]
    fn lvps_of_any_parameters_is_a_distribution(
        excess in 0.0..10.0, end in 0.01..0.99, x_min in 1e-9..0.5, unique in 1..64_usize, more in 0..64_usize,
    ) {
        let sampler = Lvps { excess, end, x_min };
        let pmf = sampler.pmf(unique, unique + more).unwrap();
        prop_assert!((pmf.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-12);
        prop_assert!(pmf.mean() >= unique as f64 - 1e-9 && pmf.mean() <= (unique + more) as f64 + 1e-9);
    }

    #[test]
    fn draws_depend_on_every_argument_but_nothing_else(seed: u64, step: u64, micro in 0..1_u64 << 47, stack: u16) {
        static WIDE: LazyLock<DepthPmf> = LazyLock::new(|| Uniform.pmf(1, 1 << 20).unwrap());
        let pmf = &*WIDE;
        let first = draw(pmf, seed, step, micro, stack);
        prop_assert_eq!(first, draw(pmf, seed, step, micro, stack));
        let others = [
            draw(pmf, seed ^ 1, step, micro, stack),
            draw(pmf, seed, step ^ 1, micro, stack),
            draw(pmf, seed, step, micro ^ 1, stack),
            draw(pmf, seed, step, micro, stack ^ 1),
        ];
        // One may agree by chance, once in 2²⁰ times; two never.
        prop_assert!(others.iter().filter(|d| **d != first).count() >= 3, "{} {:?}", first, others);
    }
}
