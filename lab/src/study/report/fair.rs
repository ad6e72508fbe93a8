//! How the comparison is fair and how it is not, in sentences that are true of this very study.

use burn_apollo::policy::GrowthPolicyConfig;

use super::style::Style;
use super::words::list;
use crate::study::cells::{Clock, StudyConfig};
use crate::study::compare::{Comparison, Entry};

pub(super) fn sentences(comparison: &Comparison) -> Vec<String> {
    let config = &comparison.config;
    let mut sentences = vec![rates(config)];
    sentences.extend(ends(comparison));
    sentences.push(seeds(config));
    sentences.extend(missing(comparison));
    sentences.push(lengths(config));
    sentences.extend(policies(config));
    sentences.push(
        "The first weights follow from the seed, and so does the order of the data where the task takes it from there; both are \
         the same for all recipes with that seed, and differences are taken seed by seed."
            .to_owned(),
    );
    sentences.push(format!(
        "Losses are those of the full model{} on data that it was not trained on.",
        depth(comparison).map_or(String::new(), |depth| format!(", {depth} layers,"))
    ));
    sentences.extend(shallower(comparison));
    sentences.push(
        "A saving is read between two lengths, in proportion to the logarithm of their costs, and never beyond them: ≥ where \
         the shortest length reaches the loss already (`unknown` where that bound is below zero), `not reached` where the longest \
         does not."
            .to_owned(),
    );
    sentences.push(clock(config.clock).to_owned());
    if comparison.shared_steps > 0 {
        sentences.push(format!(
            "{} of all {} steps were done once for trainings that begin alike, which have the same bits as if each had done \
             its own; all of them count for each.",
            comparison.shared_steps, comparison.steps
        ));
    }
    sentences
}

fn rates(config: &StudyConfig) -> String {
    match config.learning_rates.as_slice() {
        [only] => format!(
            "All trainings have the peak learning rate {only}: it is tuned for none, and a recipe that wants another looks \
             worse than it is."
        ),
        rates => format!(
            "The peak learning rate of every recipe, and of training from scratch, is the best of the same grid of {}: that \
             with the lowest final loss at {} % of the FLOPs with seed {}.",
            list(rates),
            percent(config.tuning_share),
            config.seeds[0]
        ),
    }
}

/// Who has the best rate at an end of the grid.
fn ends(comparison: &Comparison) -> Option<String> {
    let (config, entries) = (&comparison.config, &comparison.entries);
    if config.learning_rates.len() == 1 || entries.is_empty() {
        return None;
    }
    let at_end: Vec<&Entry> = entries.iter().filter(|entry| entry.lr_at_end).collect();
    let names = list(at_end.iter().map(|entry| Style::of(comparison, entry).name));
    Some(match (at_end.is_empty(), at_end.iter().any(|entry| entry.is_scratch())) {
        (true, _) => "No best rate lies at an end of the grid.".to_owned(),
        (false, true) => format!(
            "The best rate lies at an end of the grid for {names}: a better one may lie beyond it, for training from scratch \
             too, so that savings may be overstated."
        ),
        (false, false) => format!(
            "The best rate lies at an end of the grid for {names}: a better one may lie beyond it, and the saving may be \
             understated."
        ),
    })
}

fn seeds(config: &StudyConfig) -> String {
    match config.seeds.as_slice() {
        [only] => format!(
            "There is one seed, {only}: how much losses differ from seed to seed is not known, and small differences say \
             nothing."
        ),
        seeds => format!(
            "Each length of each recipe was trained with {} seeds, {}: means and standard deviations are over them.",
            seeds.len(),
            list(seeds)
        ),
    }
}

/// What the models of fewer layers are.
fn shallower(comparison: &Comparison) -> Option<String> {
    let shallower = comparison.entries.iter().filter(|entry| entry.is_shallower());
    let names: Vec<String> = shallower.map(|entry| Style::of(comparison, entry).name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "What is named {} is another model, of as many layers, trained from scratch and alone at its own best rate for as many \
             FLOPs; the losses are its own.",
            list(names)
        )
    })
}

/// Whose trainings' cost was not known before.
fn policies(config: &StudyConfig) -> Option<String> {
    let by_policy = |name: &&String| {
        config.plans.get(*name).is_some_and(|p| p.policy != GrowthPolicyConfig::Fixed)
    };
    let names: Vec<&String> = config.recipes.iter().filter(by_policy).collect();
    (!names.is_empty()).then(|| {
        format!(
            "What a training by {} costs is known at its end alone, as a policy says when it grows: its lengths are those of \
             growth where the stages end, so that losses at a length are not at equal FLOPs; savings are read from the FLOPs \
             that were spent.",
            list(names)
        )
    })
}

/// Whose trainings are not all there.
fn missing(comparison: &Comparison) -> Option<String> {
    let config = &comparison.config;
    let asked = config.seeds.len() * config.shares.len();
    let lacks = comparison.entries.iter().filter_map(|entry| {
        let has: usize = entry.lengths.iter().map(|length| length.loss.count).sum();
        let name = Style::of(comparison, entry).name;
        (has < asked).then(|| format!("{name} ({has} of {asked})"))
    });
    let lacks: Vec<String> = lacks.collect();
    (!lacks.is_empty()).then(|| {
        format!(
            "Trainings are missing of {}: their figures are of those that are there.",
            list(lacks)
        )
    })
}

fn lengths(config: &StudyConfig) -> String {
    let mut shares = config.shares.clone();
    shares.sort_by(f64::total_cmp);
    let steps = config.steps;
    match shares.as_slice() {
        [only] => format!(
            "There is one length, {} % of the FLOPs of {steps} steps from scratch: savings cannot be read between lengths.",
            percent(*only)
        ),
        _ => format!(
            "Each length, {} % of the FLOPs of {steps} steps from scratch, has a learning-rate schedule of its own that ends \
             with it: no loss is read off a training that was cut short.",
            list(shares.iter().map(|share| percent(*share)))
        ),
    }
}

fn percent(share: f64) -> String {
    // As it was written: 0.35 is 35, not 35.000…
    format!("{:.4}", 100.0 * share).trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn depth(comparison: &Comparison) -> Option<usize> {
    let stages = comparison.entries.iter().filter_map(|entry| entry.stages.last());
    stages.map(|stage| stage.layers.iter().sum()).max()
}

fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Wall => {
            "Time is that of the steps on the wall, validation and checkpoints aside: right where the machine did nothing else."
        }
        Clock::Processor => {
            "Time is that of the processor in the steps, validation and checkpoints aside: with one thread, what the clock on \
             the wall would show if the machine did nothing else."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_true_of_the_study() {
        let mut config = StudyConfig::new(["apollo"], 1000);
        assert!(
            rates(&config).contains("0.001, 0.003 and 0.01") && rates(&config).contains("50 %")
        );
        assert!(seeds(&config).contains("3 seeds, 1, 2 and 3"));
        assert!(lengths(&config).contains("35, 50, 70 and 100 % of the FLOPs of 1000 steps"));
        config.learning_rates = vec![0.01];
        config.seeds = vec![7];
        config.shares = vec![1.0];
        assert!(rates(&config).contains("tuned for none"));
        assert!(seeds(&config).contains("one seed, 7"));
        assert!(lengths(&config).contains("one length, 100 %"));
    }
}
