//! Answers of a model, and rows as text.

use apollo_examples::{Failure, device, finished, usage};
use burn::module::Module;
use burn::tensor::Device;
use burn_apollo_lab::Result;
use burn_apollo_lab::folder::read_config;

use crate::data::Batch;
use crate::model::Decoder;
use crate::options::{Config, Options, ReasonConfig};
use crate::problem::{Problem, Row};
use crate::{group, hop, mano};

/// Rows of a batch.
const ROWS: usize = 128;
/// Letters of a group or to jump in, at most so many times what was learned.
const LONGER: usize = 2;

/// Answers a row of one's own with a finished run.
pub fn from_run(options: &Options, text: &str) -> Result<(), Failure> {
    let (out, device) = (&options.run.out, device::by_name(&options.run.device)?);
    let config: Config = read_config(out)?;
    let row = row(&config.task, text).map_err(|e| usage(format!("--solve {text:?}: {e}")))?;
    let model = finished(config.task.model().init(&device), out)?;
    let found = answers(&model.valid(), std::slice::from_ref(&row), &device)?;
    println!("{}", shown(config.task.problem, &row, &found));
    Ok(())
}

/// What the model takes for the answers of rows of equal lengths, row after row.
pub fn answers(model: &Decoder, rows: &[Row], device: &Device) -> Result<Vec<u8>> {
    let mut answers = Vec::new();
    for rows in rows.chunks(ROWS) {
        let batch = Batch::new(rows, device);
        let found = model.forward(batch.tokens, batch.asked).argmax(1).try_into_data()?;
        answers.extend(found.iter::<u8>());
    }
    Ok(answers)
}

/// The row of a text, as long as those that the run has learned or somewhat longer.
fn row(task: &ReasonConfig, text: &str) -> std::result::Result<Row, String> {
    let (problem, length) = (task.problem, task.length);
    let within = |found: usize, most: usize, what: &str| match (1..=most).contains(&found) {
        true => Ok(()),
        false => Err(format!("{found} {what}; the run answers 1 to {most}")),
    };
    let row = match problem {
        Problem::Group(group) => {
            let letters = group::parse(text, group.order())?;
            within(letters.len(), LONGER * length, problem.unit())?;
            group.products().row(&letters)
        }
        Problem::Mano => {
            let expression = mano::parse(text)?;
            within(expression.operations(), length, problem.unit())?;
            mano::row(&expression, length)
        }
        Problem::Hop => {
            let (jumps, letters) = hop::parse(text)?;
            within(jumps, length, problem.unit())?;
            within(letters.len(), LONGER * problem.places(length), "letters")?;
            hop::row(jumps, &letters)
        }
    };
    match row.answers.is_empty() {
        true => Err("no letter has so many jumps before it".to_owned()),
        false => Ok(row),
    }
}

/// A row, the answers, and the right ones where they are others.
pub fn shown(problem: Problem, row: &Row, found: &[u8]) -> String {
    let line = format!("{} → {}", asked(problem, row), values(problem, row, found));
    let right: Vec<u8> = row.answers.iter().map(|answer| answer.value).collect();
    match found == right {
        true => line,
        false => format!("{line}, not {}", values(problem, row, &right)),
    }
}

fn asked(problem: Problem, row: &Row) -> String {
    match problem {
        Problem::Group(_) => numbers(&row.tokens[1..]),
        Problem::Mano => mano::text(&row.tokens),
        Problem::Hop => {
            let letters: String =
                row.tokens[1..].iter().map(|letter| hop::letter(*letter)).collect();
            format!("{}: {letters}", row.answers.first().map_or(0, |answer| answer.length))
        }
    }
}

fn values(problem: Problem, row: &Row, values: &[u8]) -> String {
    match problem {
        Problem::Group(_) | Problem::Mano => numbers(values),
        Problem::Hop => {
            let mut places = vec!['.'; row.tokens.len() - 1];
            for (answer, value) in row.answers.iter().zip(values) {
                places[answer.place - 1] = hop::letter(*value);
            }
            places.iter().collect()
        }
    }
}

fn numbers(values: &[u8]) -> String {
    values.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Group;

    fn config(problem: Problem) -> ReasonConfig {
        ReasonConfig { problem, length: 4, inject: false, layers: 1, width: 4, heads: 1 }
    }

    /// A text, the row that it is shown as with its right answers, and with the first answer of another value.
    #[test]
    fn rows_are_read_and_shown() {
        for (problem, text, right, wrong) in [
            (Problem::Group(Group::Z6), " 4 4  5", "4 4 5 → 4 2 1", "4 4 5 → 0 2 1, not 4 2 1"),
            (Problem::Mano, "- 3 * 2 2", "- 3 * 2 2 → 22", "- 3 * 2 2 → 0, not 22"),
            (Problem::Hop, "1:abcab", "1: abcab → ...bc", "1: abcab → ...ac, not ...bc"),
        ] {
            let row = row(&config(problem), text).unwrap();
            let mut values: Vec<u8> = row.answers.iter().map(|answer| answer.value).collect();
            assert_eq!(shown(problem, &row, &values), right);
            values[0] = 0;
            assert_eq!(shown(problem, &row, &values), wrong);
        }
    }

    #[test]
    fn what_a_run_cannot_answer_is_refused() {
        for (problem, text, words) in [
            (Problem::Group(Group::Z6), "1 6", "`6` is not an element from 0 to 5"),
            (Problem::Group(Group::Z6), "", "0 letters; the run answers 1 to 8"),
            (Problem::Group(Group::S3), "1 1 1 1 1 1 1 1 1", "9 letters"),
            (Problem::Mano, "7", "0 operations"),
            (Problem::Mano, "+ + + + + 1 1 1 1 1 1", "5 operations; the run answers 1 to 4"),
            (Problem::Hop, "5: abab", "5 jumps"),
            (Problem::Hop, "1: abcd", "no letter has so many jumps"),
            (Problem::Hop, "1:", "0 letters"),
        ] {
            let error = row(&config(problem), text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
