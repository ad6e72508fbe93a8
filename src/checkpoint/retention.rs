use std::collections::BTreeSet;

/// Which sets stay when a new one was written.
///
/// The newest set always stays.
///
/// ```
/// use burn_apollo::checkpoint::Retention;
///
/// // The two newest, and beside them the three with the lowest metric.
/// let retention = Retention::last(2).and_lowest(3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    last: usize,
    best: usize,
    highest: bool,
}

impl Default for Retention {
    /// The two newest sets.
    fn default() -> Self {
        Self::last(2)
    }
}

impl Retention {
    /// The `count` newest sets; 0 keeps one as well.
    pub fn last(count: usize) -> Self {
        Self { last: count.max(1), best: 0, highest: false }
    }

    /// Beside the newest, the `count` sets with the lowest metric ([`Snapshot::with_metric`](super::Snapshot::with_metric)), the
    /// newer of equals.
    pub fn and_lowest(self, count: usize) -> Self {
        Self { best: count, highest: false, ..self }
    }

    /// Beside the newest, the `count` sets with the highest metric, the newer of equals: in place of
    /// [`and_lowest`](Self::and_lowest).
    pub fn and_highest(self, count: usize) -> Self {
        Self { best: count, highest: true, ..self }
    }

    /// The sets to keep, of good sets by their number and metric in order of writing.
    pub(super) fn kept(&self, sets: &[(u64, Option<f64>)]) -> BTreeSet<u64> {
        let mut kept: BTreeSet<u64> = sets.iter().rev().take(self.last).map(|s| s.0).collect();
        kept.extend(self.best_first(sets).into_iter().take(self.best));
        kept
    }

    /// The sets that have a metric, the best first.
    pub(super) fn best_first(&self, sets: &[(u64, Option<f64>)]) -> Vec<u64> {
        let sign = if self.highest { -1.0 } else { 1.0 };
        let mut rated: Vec<(f64, u64)> =
            sets.iter().filter_map(|(set, metric)| Some((sign * (*metric)?, *set))).collect();
        rated.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        rated.into_iter().map(|(_, set)| set).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_the_best_stay() {
        let sets: Vec<(u64, Option<f64>)> =
            [3.0, 1.0, 2.0, 1.0, 5.0].iter().zip(1..).map(|(m, i)| (i, Some(*m))).collect();
        let kept = |r: Retention| r.kept(&sets).into_iter().collect::<Vec<_>>();
        assert_eq!(kept(Retention::last(0)), [5]);
        assert_eq!(kept(Retention::default()), [4, 5]);
        assert_eq!(kept(Retention::last(1).and_lowest(1)), [4, 5]);
        assert_eq!(kept(Retention::last(1).and_lowest(2)), [2, 4, 5]);
        assert_eq!(kept(Retention::last(1).and_highest(2)), [1, 5]);
        assert_eq!(kept(Retention::last(9)), [1, 2, 3, 4, 5]);
        assert_eq!(Retention::last(1).and_lowest(1).kept(&[(1, None), (2, None)]).len(), 1);
    }
}
