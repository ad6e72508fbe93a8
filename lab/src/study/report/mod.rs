//! What is made of a comparison: a table for the terminal, `report.md` and `report.html`, and its pictures.

mod advice;
mod fair;
mod html;
mod measures;
mod part;
mod pictures;
mod style;
mod table;
mod words;

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{LabError, Result};
use crate::folder::write_file;
use crate::study::compare::{Comparison, Entry, Length, scratch};
use part::Part;
use table::{Column, column, names, rows, table};

impl Comparison {
    /// A table: final loss, its difference to training from scratch, what is saved.
    pub fn table(&self) -> String {
        let rows = rows(&self.columns(), &self.entries);
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let mut text = String::new();
        for row in &rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = width(column).unwrap_or(0);
                line += &match column {
                    0 | 1 => format!("{cell:<width$}  "),
                    _ => format!("{cell:>width$}  "),
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

    fn columns(&self) -> Vec<Column<'_>> {
        let last = |entry: &Entry| entry.lengths.last().map(|last| words::loss(last.loss));
        let relative = |entry: &Entry| {
            let last = entry.lengths.last()?;
            let scratch = scratch(&self.entries, entry.optimizer)?.length(last.share)?;
            Some(format!("{:+.2} %", 100.0 * (last.loss.mean / scratch.loss.mean - 1.0)))
        };
        let mut columns = names();
        columns.push(column("lr", words::rate));
        columns.push(column("loss", move |entry| words::or_dash(last(entry))));
        columns.push(column("Relative", move |entry| words::or_dash(relative(entry))));
        columns.extend(saved());
        if self.has_best() {
            let best = |entry: &Entry| words::saved(&entry.best, entry.best.operations);
            columns.push(column("against best", best));
        }
        columns
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
        text += &table(&rows(&self.columns(), &self.entries));
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
        let mut columns = names();
        columns.extend(shares.iter().map(|share| {
            column(format!("FLOPs × {share}"), |entry| {
                words::difference(entry.length(*share).and_then(|length| length.difference))
            })
        }));
        columns.push(column("equal steps", |entry| words::difference(entry.at_equal_steps)));
        text += &table(&rows(&columns, self.entries.iter().filter(|entry| !entry.is_scratch())));
        text += "\nFinal losses:\n\n";
        let mut columns = names();
        columns.extend(shares.iter().map(|share| {
            column(format!("FLOPs × {share}"), |entry| {
                words::or_dash(entry.length(*share).map(|length| words::loss(length.loss)))
            })
        }));
        text + &table(&rows(&columns, &self.entries))
    }

    /// Operations and time side by side, and why they differ.
    fn time(&self) -> String {
        let mut text = "## FLOPs and time\n\n".to_owned();
        let of = |head: &str, words: fn(&Length) -> String| {
            column(head, move |entry| words::or_dash(entry.lengths.last().map(words)))
        };
        let mut columns = names();
        columns.extend(saved());
        columns.extend([
            of("steps", |length| format!("{:.0}", length.steps)),
            of("FLOPs", |length| format!("{:.3e}", length.operations)),
            of("seconds", |length| format!("{:.1}", length.seconds)),
            of("seconds for 10¹² FLOPs", |length| {
                format!("{:.2}", 1e12 * length.seconds / length.operations)
            }),
        ]);
        let trained = self.entries.iter().filter(|entry| !entry.lengths.is_empty());
        text += &table(&rows(&columns, trained));
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
        let mut columns = names();
        columns.extend(lengths.iter().map(|items| {
            column(format!("{items:.1}"), |entry| {
                let goal = entry.goals.iter().find(|goal| goal.items_per_parameter == *items);
                let saved = goal.map(|goal| words::saved(&goal.saving, goal.saving.operations));
                words::or_dash(saved)
            })
        }));
        let table = table(&rows(&columns, grown()));
        Some(format!(
            "## By length\n\nFLOPs saved on the way to the loss of each length of training from scratch with the same optimizer, by \
             the {} that it sees for each parameter.\n\n{table}",
            self.items
        ))
    }

    /// What all trainings share, and what failed.
    fn setting(&self) -> String {
        let mut text = "## What was trained\n\n".to_owned();
        let mut rows = vec![vec!["setting".to_owned(), "value".to_owned()]];
        flat("", &self.study, &mut rows);
        text += &table(&rows);
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

/// The columns of what is saved on the way to the same optimizer's loss.
fn saved<'a>() -> [Column<'a>; 2] {
    [
        column("FLOPs saved", |entry| words::saved(&entry.same, entry.same.operations)),
        column("time saved", |entry| words::saved(&entry.same, entry.same.seconds)),
    ]
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
