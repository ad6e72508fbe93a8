//! What is made of a comparison: a table for the terminal, `report.md`, `report.html` with its pictures in it.

use std::fmt::Write as _;
use std::path::Path;

use super::chart;
use super::comparison::{Comparison, Entry, Saving, Spread};
use crate::error::{LabError, Result};
use crate::folder::write_file;

impl Comparison {
    /// A table: final loss, its difference to training from scratch, what is saved.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<20} {:<8} {:>7} {:>16} {:>9} {:>17} {:>17} {:>17}\n",
            "recipe", "with", "lr", "loss", "Relative", "FLOPs saved", "time saved", "against best"
        );
        for entry in &self.entries {
            let [loss, relative, operations, seconds, best] = self.row(entry);
            let (recipe, optimizer) = (&entry.recipe, entry.optimizer.name());
            let _ = writeln!(
                text,
                "{recipe:<20} {optimizer:<8} {:>7} {loss:>16} {relative:>9} {operations:>17} {seconds:>17} {best:>17}",
                rate(entry)
            );
        }
        text
    }

    /// The columns of an entry behind its learning rate.
    fn row(&self, entry: &Entry) -> [String; 5] {
        let last = |entry: &Entry| entry.losses.last().map(|(_, loss)| *loss);
        let scratch = self
            .entries
            .iter()
            .find(|other| other.recipe == "scratch" && other.optimizer == entry.optimizer);
        let relative = match (last(entry), scratch.and_then(last)) {
            (Some(loss), Some(scratch)) => {
                format!("{:+.2} %", 100.0 * (loss.mean / scratch.mean - 1.0))
            }
            _ => "-".to_owned(),
        };
        let loss = last(entry).map_or("-".to_owned(), in_words);
        let operations = saved(&entry.same, entry.same.operations);
        let seconds = saved(&entry.same, entry.same.seconds);
        [loss, relative, operations, seconds, saved(&entry.best, entry.best.operations)]
    }

    /// The table and what it says, in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("# Comparison\n\n");
        let _ = writeln!(
            text,
            "The longest training from scratch sees {:.1} items for each parameter. Loss at equal operations, of the full \
             model, mean and standard deviation over seeds; what is saved on the way to the final loss of training from \
             scratch, with the same optimizer and with the best.\n",
            self.items_per_parameter
        );
        text += "| recipe | optimizer | lr | loss | Relative | FLOPs saved | time saved | FLOPs saved against the best |\n";
        text += "|---|---|---|---|---|---|---|---|\n";
        for entry in &self.entries {
            let row = self.row(entry).join(" | ");
            let (recipe, optimizer) = (&entry.recipe, entry.optimizer.name());
            let _ = writeln!(text, "| {recipe} | {optimizer} | {} | {row} |", rate(entry));
        }
        text +=
            "\nA rate with a star lies at an end of the grid: a better one may lie beyond it.\n";
        text += "\n| recipe | optimizer | share of FLOPs | loss |\n|---|---|---|---|\n";
        for entry in &self.entries {
            for (share, loss) in &entry.losses {
                let (recipe, optimizer) = (&entry.recipe, entry.optimizer.name());
                let loss = in_words(*loss);
                let _ = writeln!(text, "| {recipe} | {optimizer} | {share} | {loss} |");
            }
        }
        for said in self.advice() {
            let _ = writeln!(text, "\n{said}");
        }
        for (cell, why) in &self.failed {
            let _ = writeln!(text, "\n{cell} failed: {why}");
        }
        text
    }
}

fn in_words(loss: Spread) -> String {
    format!("{:.4} ± {:.4}", loss.mean, loss.deviation)
}

fn rate(entry: &Entry) -> String {
    format!("{}{}", entry.lr, if entry.lr_at_end { "*" } else { "" })
}

/// A mean over all seeds, or none: over those alone that reached the loss, it would flatter.
fn saved(saving: &Saving, spread: Option<Spread>) -> String {
    match (spread, saving.not_reached) {
        (None, 0) => "-".to_owned(),
        (None, _) => "not reached".to_owned(),
        (Some(spread), 0) => {
            let (mean, deviation) = (100.0 * spread.mean, 100.0 * spread.deviation);
            // No minus before a zero.
            format!("{mean:.1} ± {deviation:.1} %").replace("-0.0 ", "0.0 ")
        }
        (Some(spread), not_reached) => {
            format!("reached by {} of {}", spread.count, spread.count + not_reached)
        }
    }
}

/// Writes `report.md`, `report.html` and the pictures.
pub(super) fn write(folder: &Path, comparison: &Comparison) -> Result<()> {
    let loss = chart::losses(comparison).map_err(LabError::failed)?;
    let html = html(comparison, &loss);
    for (name, content) in
        [("report.md", &comparison.markdown()), ("loss.svg", &loss), ("report.html", &html)]
    {
        write_file(&folder.join(name), content)
            .map_err(|e| LabError::Write { name: name.to_owned(), cause: e.to_string().into() })?;
    }
    Ok(())
}

/// One file with all in it.
fn html(comparison: &Comparison, loss: &str) -> String {
    let mut rows = String::new();
    for entry in &comparison.entries {
        let cells = [entry.recipe.clone(), entry.optimizer.name().to_owned(), rate(entry)];
        let cells = cells.into_iter().chain(comparison.row(entry));
        let cells: String = cells.map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = writeln!(rows, "<tr>{cells}</tr>");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Comparison</title>\n\
         <style>body{{font:15px sans-serif;margin:2em;max-width:70em}}td,th{{padding:.2em .7em;text-align:right}}\
         td:first-child,th:first-child{{text-align:left}}svg{{max-width:100%;height:auto}}</style></head><body>\n\
         <h1>Comparison</h1>\n<p>The longest training from scratch sees {:.1} items for each parameter.</p>\n\
         <table><tr><th>recipe</th><th>optimizer</th><th>lr</th><th>loss</th><th>Relative</th><th>FLOPs saved</th>\
         <th>time saved</th><th>against the best</th></tr>\n{rows}</table>\n{loss}\n</body></html>\n",
        comparison.items_per_parameter
    )
}
