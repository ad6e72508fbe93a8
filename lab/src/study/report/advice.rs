//! What a study says, in sentences.

use super::words;
use crate::config::OptimizerKind;
use crate::study::cells::CellKind;
use crate::study::compare::{Comparison, Entry, Length, Mixing, Spread, scratch};

/// The saving below which none is named: it would read 0.0 %.
const LEAST: f64 = 0.0005;

impl Comparison {
    /// What the study says, in sentences: for each optimizer the recipe that saves most, or that none surely does; until when
    /// it may grow; from how many items for each parameter on it pays; whether a shallower model would do.
    pub fn advice(&self) -> Vec<String> {
        let mut optimizers: Vec<OptimizerKind> = Vec::new();
        for entry in &self.entries {
            if !optimizers.contains(&entry.optimizer) {
                optimizers.push(entry.optimizer);
            }
        }
        let advice = |optimizer| {
            self.of_recipes(optimizer).into_iter().chain(self.of_shallower_models(optimizer))
        };
        optimizers.into_iter().flat_map(advice).collect()
    }

    fn of_recipes(&self, optimizer: OptimizerKind) -> Vec<String> {
        let with = optimizer.name();
        let grown =
            || self.entries.iter().filter(|entry| entry.optimizer == optimizer && entry.is_grown());
        if grown().next().is_none() {
            return Vec::new();
        }
        let sure = grown().filter(|entry| self.has_shorter(entry)).filter_map(|entry| {
            let saved = entry.same.operations?;
            let is_sure = entry.same.not_reached == 0 && saved.mean > saved.deviation.max(LEAST);
            is_sure.then_some((entry, saved))
        });
        let best = sure.max_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
        let is_reached =
            |entry: &&Entry| entry.same.operations.is_some() && entry.same.not_reached == 0;
        let reached = grown().filter(|entry| !self.has_shorter(entry)).filter(is_reached);
        let reached: Vec<&CellKind> = reached.map(|entry| &entry.kind).collect();
        let mut said = vec![match (best, reached.as_slice()) {
            (Some((best, saved)), _) => recommended(best, saved),
            (None, []) => {
                let losing = |entry: &Entry| {
                    entry.same.operations.is_none_or(|saved| saved.mean < -saved.deviation)
                };
                let what = match grown().all(losing) {
                    true => "none of the recipes compared saves FLOPs",
                    false => "this study cannot tell whether a recipe saves FLOPs",
                };
                format!(
                    "With {with}, {what}: train from scratch, or ask again with more seeds, rates and lengths."
                )
            }
            (None, reached) => format!(
                "With {with}, the loss of training from scratch is reached with the same FLOPs by {}; how much that saves, only \
                 shorter lengths would tell.",
                words::list(reached)
            ),
        }];
        let best = best.map(|(best, _)| best);
        said.extend(best.and_then(|best| self.pays_from(best)));
        let known = self.mixing.iter().filter(|mixing| mixing.optimizer == optimizer);
        let worth = known.filter(|mixing| {
            mixing.is_measured() || best.is_some_and(|best| best.kind.recipe() == mixing.recipe)
        });
        said.extend(worth.map(Mixing::in_words));
        said
    }

    /// How the best of the shallower models stands beside the best training of the full model, at the longest length.
    fn of_shallower_models(&self, optimizer: OptimizerKind) -> Option<String> {
        let best = |is_shallower: bool| {
            let with = self.entries.iter().filter(|entry| entry.optimizer == optimizer);
            let of = with.filter(|entry| entry.is_shallower() == is_shallower);
            let longest = self.config.longest();
            let at_end = of.filter_map(|entry| Some((entry, entry.length(longest)?.loss)));
            at_end.min_by(|a, b| a.1.mean.total_cmp(&b.1.mean))
        };
        let ((shallower, alone), (full, loss)) = (best(true)?, best(false)?);
        let CellKind::Depth(depth) = shallower.kind else { return None };
        let with = optimizer.name();
        let who = match depth {
            1 => "1 layer trained alone ends".to_owned(),
            _ => format!("{depth} layers trained alone end"),
        };
        let apart = (alone.mean - loss.mean).abs() > alone.deviation.max(loss.deviation);
        let means = match (apart, alone.mean < loss.mean) {
            (false, _) => "too close to tell them apart; the shallower model is cheaper to run",
            (true, true) => "take the shallower model, unless the full depth is needed for itself",
            (true, false) => "the full depth pays",
        };
        let fewest = self.config.depths.iter().all(|other| *other >= depth);
        let fewer = match fewest && depth > 1 && alone.mean < loss.mean {
            true => "; fewer layers were not tried",
            false => "",
        };
        let hint = if alone.count == 1 { " (one seed, so no more than a hint)" } else { "" };
        Some(format!(
            "With {with} and as many FLOPs, {who} at {}, and the full model at {} ({}): {means}{fewer}{hint}.",
            words::loss(alone),
            words::loss(loss),
            full.kind
        ))
    }

    /// Whether an entry has lengths shorter than the longest: without, what it saves is not known.
    fn has_shorter(&self, entry: &Entry) -> bool {
        entry.lengths.first().is_some_and(|length| length.share < self.config.longest())
    }

    /// From how many items for each parameter on a recipe does better than training from scratch, as far as the lengths tell.
    fn pays_from(&self, entry: &Entry) -> Option<String> {
        let scratch = scratch(&self.entries, entry.optimizer)?;
        let better = |length: &Length| {
            let scratch = scratch.length(length.share)?;
            Some((length.share, length.loss.mean <= scratch.loss.mean))
        };
        let lengths: Vec<(f64, bool)> = entry.lengths.iter().filter_map(better).collect();
        let worse = lengths.iter().rposition(|(_, better)| !better);
        let items = |share: f64| format!("{:.1}", share * self.items_per_parameter);
        let recipe = &entry.kind;
        match worse {
            None => lengths.first().map(|(share, _)| {
                format!(
                    "At equal FLOPs {recipe} is better at every length of the study, from those of {} items for each \
                     parameter from scratch on.",
                    items(*share)
                )
            }),
            Some(worse) => lengths.get(worse + 1).map(|(share, _)| {
                format!(
                    "At equal FLOPs {recipe} is better from those of {} items for each parameter from scratch on; at {} it \
                     does not pay.",
                    items(*share),
                    items(lengths[worse].0)
                )
            }),
        }
    }
}

fn recommended(best: &Entry, saved: Spread) -> String {
    let percent = |spread: Spread| words::saved(&best.same, Some(spread));
    let seeds = match saved.count {
        1 => "one seed, so no more than a hint".to_owned(),
        count => format!("{count} seeds"),
    };
    let time = best
        .same
        .seconds
        .map_or(String::new(), |seconds| format!(" and {} of the time", percent(seconds)));
    format!(
        "With {}, of the recipes compared {} saves most: {} of the FLOPs{time} of training from scratch to the same loss \
         ({seeds}).",
        best.optimizer.name(),
        best.kind,
        percent(saved)
    )
}
