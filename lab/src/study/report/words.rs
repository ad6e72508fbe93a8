//! Numbers of a comparison in words.

use crate::study::compare::{Entry, Saving, Spread};

/// A mean, with the deviation where there is one: of one seed there is none.
fn with_spread(spread: Spread, mean: String, deviation: String) -> String {
    match spread.count {
        1 => mean,
        _ => format!("{mean} ± {deviation}"),
    }
}

/// What is known, or a dash.
pub(super) fn or_dash(words: Option<String>) -> String {
    words.unwrap_or_else(|| "-".to_owned())
}

pub(super) fn loss(loss: Spread) -> String {
    with_spread(loss, format!("{:.4}", loss.mean), format!("{:.4}", loss.deviation))
}

pub(super) fn difference(difference: Option<Spread>) -> String {
    let in_words =
        |d: Spread| with_spread(d, format!("{:+.4}", d.mean), format!("{:.4}", d.deviation));
    or_dash(difference.map(in_words))
}

/// With a star where it lies at an end of the grid.
pub(super) fn rate(entry: &Entry) -> String {
    format!("{}{}", entry.lr, if entry.lr_at_end { "*" } else { "" })
}

/// A mean over all seeds, or none: over those alone that reached the loss, it would flatter.
pub(super) fn saved(saving: &Saving, spread: Option<Spread>) -> String {
    match (spread, saving.not_reached) {
        (None, 0) => "-".to_owned(),
        (None, _) => "not reached".to_owned(),
        // At least less than nothing: no length of the study is short enough to tell.
        (Some(saved), 0) if saving.at_least > 0 && saved.mean < -0.0005 => "unknown".to_owned(),
        (Some(saved), 0) => {
            let percent = |share: f64| format!("{:.1}", 100.0 * share);
            // No minus before a zero.
            let mean = percent(saved.mean).replace("-0.0", "0.0");
            let least = if saving.at_least > 0 { "≥ " } else { "" };
            format!("{least}{} %", with_spread(saved, mean, percent(saved.deviation)))
        }
        (Some(saved), not_reached) => {
            format!("reached by {} of {}", saved.count, saved.count + not_reached)
        }
    }
}

/// Things in a sentence.
pub(super) fn list(things: impl IntoIterator<Item = impl ToString>) -> String {
    let things: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    match things.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(list([0; 0]), "none");
        assert_eq!(list([1]), "1");
        assert_eq!(list([1, 2, 3]), "1, 2 and 3");
    }

    #[test]
    fn savings_say_how_sure_they_are() {
        let spread = Some(Spread { mean: 0.5, deviation: 0.01, count: 2 });
        let saving = |not_reached, at_least| Saving { not_reached, at_least, ..Saving::default() };
        assert_eq!(saved(&saving(0, 0), spread), "50.0 ± 1.0 %");
        assert_eq!(saved(&saving(0, 1), spread), "≥ 50.0 ± 1.0 %");
        let zero = Some(Spread { mean: -0.0001, deviation: 0.0, count: 1 });
        assert_eq!(saved(&saving(0, 0), zero), "0.0 %");
        let less = Some(Spread { mean: -0.2, deviation: 0.0, count: 1 });
        assert_eq!(saved(&saving(0, 0), less), "-20.0 %");
        assert_eq!(saved(&saving(0, 1), less), "unknown");
        assert_eq!(saved(&saving(1, 0), spread), "reached by 2 of 3");
        assert_eq!(saved(&saving(3, 0), None), "not reached");
    }
}
