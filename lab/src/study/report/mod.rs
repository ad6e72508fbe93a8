//! What is made of a comparison: a table for the terminal, `report.md` and `report.html`, and its pictures.

mod advice;
mod fair;
mod html;
mod measures;
mod part;
mod pictures;
mod style;
mod words;

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{LabError, Result};
use crate::folder::write_file;
use crate::study::compare::{Comparison, Entry, scratch};
use part::Part;

impl Comparison {
    /// A table: final loss, its difference to training from scratch, what is saved.
    pub fn table(&self) -> String {
        let rows: Vec<Vec<String>> =
            [self.head()].into_iter().chain(self.entries.iter().map(|e| self.row(e))).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let mut text = String::new();
        for row in &rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = width(column).unwrap_or(0);
                let _ = match column {
                    0 | 1 => write!(line, "{cell:<width$}  "),
                    _ => write!(line, "{cell:>width$}  "),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        if self.entries.iter().any(|entry| entry.lr_at_end) {
            text += "* at an end of the grid of learning rates: a better one may lie beyond it\n";
        }
        text
    }

    /// Whether what a recipe saves against the best optimizer differs from what it saves against the same.
    fn has_best(&self) -> bool {
        self.config.optimizers.len() > 1
    }

    fn head(&self) -> Vec<String> {
        let mut head =
            vec!["recipe", "with", "lr", "loss", "Relative", "FLOPs saved", "time saved"];
        if self.has_best() {
            head.push("against best");
        }
        head.into_iter().map(str::to_owned).collect()
    }

    fn row(&self, entry: &Entry) -> Vec<String> {
        let last = entry.lengths.last();
        let scratch = scratch(&self.entries, entry.optimizer).and_then(|scratch| {
            scratch.lengths.iter().find(|length| Some(length.share) == last.map(|last| last.share))
        });
        let relative = match (last, scratch) {
            (Some(last), Some(scratch)) => {
                format!("{:+.2} %", 100.0 * (last.loss.mean / scratch.loss.mean - 1.0))
            }
            _ => "-".to_owned(),
        };
        let mut row = vec![
            entry.kind.to_string(),
            entry.optimizer.name().to_owned(),
            words::rate(entry),
            last.map_or("-".to_owned(), |last| words::loss(last.loss)),
            relative,
            words::saved(&entry.same, entry.same.operations),
            words::saved(&entry.same, entry.same.seconds),
        ];
        if self.has_best() {
            row.push(words::saved(&entry.best, entry.best.operations));
        }
        row
    }

    /// Writes `report.md`, `report.html` with its pictures in it, and each picture as SVG and as PNG; pictures of an earlier
    /// report that this one has not are removed.
    ///
    /// # Errors
    ///
    /// Files that cannot be written.
    pub fn write_report(&self, folder: &Path) -> Result<()> {
        let parts = self.parts();
        let write = |name: &str, content: &[u8]| {
            let written = write_file(&folder.join(name), content);
            written.map_err(|e| LabError::write(name, e.to_string()))
        };
        write("report.md", markdown(&parts).as_bytes())?;
        write("report.html", html::page(&parts).as_bytes())?;
        for name in pictures::NAMES {
            let (svg, png) = (format!("{name}.svg"), format!("{name}.png"));
            let of_name = |part: &&Part| matches!(part, Part::Picture(p) if p.name == name);
            if let Some(Part::Picture(picture)) = parts.iter().find(of_name) {
                write(&svg, picture.svg().as_bytes())?;
                write(&png, &picture.png().map_err(|e| LabError::write(&png, e))?)?;
            } else {
                // What cannot be removed stays: no text points at it.
                [svg, png].iter().for_each(|name| drop(std::fs::remove_file(folder.join(name))));
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<Part> {
        let text = |text: String| Some(Part::Text(text));
        let [saving, by_position, flops, steps, time, course, crossover, depths] = pictures::NAMES
            .map(|name| pictures::draw(self, name).map(|picture| Part::Picture(Box::new(picture))));
        let parts = [
            text(self.summary()),
            saving,
            self.measures().map(Part::Text),
            by_position,
            text(self.fairness()),
            text(self.differences()),
            flops,
            steps,
            text(self.time()),
            time,
            text("## On the way\n".to_owned()),
            course,
            depths,
            self.by_length().map(Part::Text),
            crossover,
            text(self.setting()),
        ];
        parts.into_iter().flatten().collect()
    }

    fn summary(&self) -> String {
        let mut text = format!(
            "# Comparison\n\nThe longest training from scratch sees {:.1} {} for each parameter. `loss` is the final loss of \
             the longest training, `Relative` its difference to training from scratch with the same optimizer at equal FLOPs; \
             what is saved is saved on the way to the final loss of the longest training from scratch with the same optimizer",
            self.items_per_parameter, self.items
        );
        text += match self.has_best() {
            true => ", and in the last column FLOPs with the optimizer that does best there.\n\n",
            false => ".\n\n",
        };
        text += &table(&self.head(), self.entries.iter().map(|entry| self.row(entry)));
        if self.entries.iter().any(|entry| entry.lr_at_end) {
            text += "\nA rate with a star lies at an end of the grid: a better one may lie beyond it.\n";
        }
        for said in self.advice() {
            let _ = writeln!(text, "\n{said}");
        }
        text
    }

    fn fairness(&self) -> String {
        let sentences = fair::sentences(self);
        sentences.iter().fold("## How it was compared\n\n".to_owned(), |mut text, sentence| {
            let _ = writeln!(text, "- {sentence}");
            text
        })
    }

    /// Loss against training from scratch, at equal operations and at equal steps.
    fn differences(&self) -> String {
        let mut shares = self.config.shares.clone();
        shares.sort_by(f64::total_cmp);
        let mut text = "## Loss\n\nLoss less that of training from scratch with the same optimizer, seed by seed, mean and \
                        standard deviation: at equal FLOPs, as shares of the longest training from scratch, and at as many \
                        steps as that has, read between two lengths; `-` where the lengths do not reach so far.\n\n"
            .to_owned();
        let mut head = head_of(&shares, |share| format!("FLOPs × {share}"));
        head.push("equal steps".to_owned());
        let rows = self.entries.iter().filter(|entry| !entry.is_scratch()).map(|entry| {
            let at = |share: &f64| {
                let length = entry.lengths.iter().find(|length| length.share == *share);
                words::difference(length.and_then(|length| length.difference))
            };
            let mut row = row_of(entry, &shares, at);
            row.push(words::difference(entry.at_equal_steps));
            row
        });
        text += &table(&head, rows);
        text += "\nFinal losses:\n\n";
        head.pop();
        let rows = self.entries.iter().map(|entry| {
            let at = |share: &f64| {
                let length = entry.lengths.iter().find(|length| length.share == *share);
                length.map_or("-".to_owned(), |length| words::loss(length.loss))
            };
            row_of(entry, &shares, at)
        });
        text + &table(&head, rows)
    }

    /// Operations and time side by side, and why they differ.
    fn time(&self) -> String {
        let mut text = "## FLOPs and time\n\n".to_owned();
        let head = [
            "recipe",
            "with",
            "FLOPs saved",
            "time saved",
            "steps",
            "FLOPs",
            "seconds",
            "seconds for 10¹² FLOPs",
        ];
        let rows = self.entries.iter().filter_map(|entry| {
            let length = entry.lengths.last()?;
            Some(vec![
                entry.kind.to_string(),
                entry.optimizer.name().to_owned(),
                words::saved(&entry.same, entry.same.operations),
                words::saved(&entry.same, entry.same.seconds),
                format!("{:.0}", length.steps),
                format!("{:.3e}", length.operations),
                format!("{:.1}", length.seconds),
                format!("{:.2}", 1e12 * length.seconds / length.operations),
            ])
        });
        text += &table(&head.map(str::to_owned), rows);
        text += "\nSteps, FLOPs and seconds are those of the longest training. A part of a step does not depend on its depth: \
                 embedding and head, the optimizer's own work, and what every operation on small tensors takes before it \
                 computes. A shallow model takes more steps for the same FLOPs, and pays that part each time.\n";
        for time in &self.step_times {
            let _ = writeln!(
                text,
                "\nBy a line through {} trainings with {}, a step takes {:.2} ms and {:.2} ms more for each layer that it runs: \
                 what does not depend on depth is {:.0} % of the time of a step of the full model, and {:.0} % of its FLOPs.",
                time.trainings,
                time.optimizer.name(),
                1e3 * time.fixed,
                1e3 * time.layer,
                100.0 * time.fixed_seconds,
                100.0 * time.fixed_operations,
            );
        }
        text
    }

    /// What is saved on the way to the loss of each length of training from scratch; none where there is one length.
    fn by_length(&self) -> Option<String> {
        let grown = || self.entries.iter().filter(|entry| !entry.is_scratch());
        let mut lengths: Vec<f64> =
            grown().flat_map(|entry| &entry.goals).map(|goal| goal.items_per_parameter).collect();
        lengths.sort_by(f64::total_cmp);
        lengths.dedup();
        if lengths.len() < 2 {
            return None;
        }
        let head = head_of(&lengths, |items| format!("{items:.1}"));
        let rows = grown().map(|entry| {
            let at = |items: &f64| {
                let goal = entry.goals.iter().find(|goal| goal.items_per_parameter == *items);
                goal.map_or("-".to_owned(), |goal| {
                    words::saved(&goal.saving, goal.saving.operations)
                })
            };
            row_of(entry, &lengths, at)
        });
        let table = table(&head, rows);
        Some(format!(
            "## By length\n\nFLOPs saved on the way to the loss of each length of training from scratch with the same optimizer, by \
             the {} that it sees for each parameter.\n\n{table}",
            self.items
        ))
    }

    /// What all trainings share, and what failed.
    fn setting(&self) -> String {
        let mut text = "## What was trained\n\n".to_owned();
        let mut rows = Vec::new();
        flat("", &self.study, &mut rows);
        text += &table(&["setting".to_owned(), "value".to_owned()], rows.into_iter());
        for (cell, why) in &self.failed {
            // What a program said is no Markdown.
            let _ = writeln!(text, "\n{cell} failed: `{}`", why.replace('`', "'"));
        }
        text
    }
}

/// The leaves of plain data, by their paths.
fn flat(path: &str, value: &serde_json::Value, rows: &mut Vec<Vec<String>>) {
    match value.as_object() {
        Some(fields) => fields.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flat(&path, value, rows);
        }),
        None => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            rows.push(vec![path.to_owned(), format!("`{}`", text.replace(['`', '|'], "'"))]);
        }
    }
}

/// The head of a table with a column for each number, beside the recipe and its optimizer.
fn head_of(numbers: &[f64], title: impl Fn(&f64) -> String) -> Vec<String> {
    ["recipe", "with"].map(str::to_owned).into_iter().chain(numbers.iter().map(title)).collect()
}

/// A row of such a table.
fn row_of(entry: &Entry, numbers: &[f64], at: impl Fn(&f64) -> String) -> Vec<String> {
    let names = [entry.kind.to_string(), entry.optimizer.name().to_owned()];
    names.into_iter().chain(numbers.iter().map(at)).collect()
}

pub(super) fn table(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn markdown(parts: &[Part]) -> String {
    let parts = parts.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Picture(picture) => {
            format!("![{}]({}.svg)\n\n{}\n", picture.title, picture.name, picture.words)
        }
    });
    parts.collect::<Vec<_>>().join("\n")
}
