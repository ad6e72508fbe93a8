//! The pages of the checkout: their links lead somewhere, their plans are plans, and what they quote is said.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn_apollo::Plan;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Files with this ending in a folder and those below it, but for what is built or trained there.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && !["target", "runs", "cells"].contains(&name) {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn events(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// Where a page's links and pictures lead.
fn links(text: &str) -> Vec<String> {
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    };
    events(text).filter_map(link).collect()
}

/// The names of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut heading, mut times) = (None::<String>, HashMap::new());
    let mut anchors = BTreeSet::new();
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                heading.iter_mut().for_each(|heading| heading.push_str(&text));
            }
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let times: &mut usize = times.entry(slug.clone()).or_default();
                anchors.insert(if *times == 0 { slug } else { format!("{slug}-{times}") });
                *times += 1;
            }
            _ => {}
        }
    }
    anchors
}

fn slug(heading: &str) -> String {
    let slug = |c: char| match c {
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    heading.to_lowercase().chars().filter_map(slug).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = checkout();
    let (mut dead, mut followed) = (Vec::new(), 0);
    for page in files(&root, "md") {
        for link in links(&read(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let is_there =
                target.exists() && (anchor.is_empty() || anchors(&read(&target)).contains(anchor));
            if !is_there {
                let page = page.strip_prefix(&root).unwrap();
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(followed > 100, "only {followed} links were found");
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn headings_become_anchors() {
    let page = "# A `b`, and C\n\n## 5. Stop: go on\n\n## Twice\n\n## Twice\n";
    let found: Vec<String> = anchors(page).into_iter().collect();
    assert_eq!(found, ["5-stop-go-on", "a-b-and-c", "twice", "twice-1"]);
}

/// Pages that the built book has.
fn chapters(docs: &Path) -> BTreeSet<PathBuf> {
    links(&read(&docs.join("SUMMARY.md"))).iter().map(|link| docs.join(link)).collect()
}

#[test]
fn the_summary_has_every_page() {
    let docs = checkout().join("docs");
    let pages = fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|page| page.extension().is_some_and(|ending| ending == "md"));
    let chapters = chapters(&docs);
    for page in pages.filter(|page| !page.ends_with("SUMMARY.md")) {
        assert!(chapters.contains(&page), "docs/SUMMARY.md does not name {}", page.display());
    }
}

/// mdBook makes no page of a file that the summary does not name, and copies none.
#[test]
fn pages_that_chapters_link_to_are_chapters() {
    let docs = checkout().join("docs");
    let chapters = chapters(&docs);
    for chapter in &chapters {
        for link in links(&read(chapter)) {
            let (path, _) = link.split_once('#').unwrap_or((&link, ""));
            let Ok(target) = chapter.parent().unwrap().join(path).canonicalize() else { continue };
            let is_page = target.extension().is_some_and(|ending| ending == "md");
            if is_page && target.starts_with(&docs) {
                let (chapter, known) = (chapter.display(), chapters.contains(&target));
                assert!(known, "docs/SUMMARY.md does not name {link}, to which {chapter} links");
            }
        }
    }
}

/// Pictures that no page shows are left-overs.
#[test]
fn every_drawing_is_shown() {
    let docs = checkout().join("docs");
    let shown = files(&docs, "md").into_iter().flat_map(|page| links(&read(&page)));
    let shown: BTreeSet<String> = shown.collect();
    for picture in files(&docs.join("pictures"), "svg") {
        let name = picture.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(shown.contains(&format!("pictures/{name}")), "{name}");
    }
}

/// Blocks of code in a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let (mut block, mut blocks) = (None::<String>, Vec::new());
    for event in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(of))) if of.as_ref() == language => {
                block = Some(String::new());
            }
            Event::Text(text) => block.iter_mut().for_each(|block| block.push_str(&text)),
            Event::End(TagEnd::CodeBlock) => blocks.extend(block.take()),
            _ => {}
        }
    }
    blocks
}

#[test]
fn toml_is_a_plan_or_a_manifest() {
    let root = checkout();
    let mut plans = 0;
    for page in files(&root.join("docs"), "md").into_iter().chain([root.join("README.md")]) {
        for block in blocks(&read(&page), "toml") {
            if block.starts_with("[dependencies]") {
                toml::from_str::<toml::Table>(&block).unwrap();
                continue;
            }
            let says_steps = block.lines().any(|line| line.starts_with("steps"));
            let text = if says_steps { block.clone() } else { format!("steps = 1000\n{block}") };
            let place = format!("{}:\n{block}", page.display());
            let plan: Plan = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}: {place}"));
            let last = plan.schedule.as_ref().and_then(|schedule| schedule.stages.last());
            let targets = last.map_or(vec![12], |stage| stage.layers.clone());
            plan.check(&targets).unwrap_or_else(|e| panic!("{e}: {place}"));
            plans += 1;
        }
    }
    assert!(plans > 5, "only {plans} plans were found");
}

/// What the first column of tables of messages quotes.
fn quoted(text: &str) -> Vec<String> {
    let (mut column, mut is_of_messages, mut in_head) = (0, false, false);
    let mut quoted = Vec::new();
    for event in events(text) {
        match event {
            Event::Start(Tag::TableHead) => (column, in_head) = (0, true),
            Event::End(TagEnd::TableHead) => in_head = false,
            Event::Start(Tag::TableRow) => column = 0,
            Event::End(TagEnd::TableCell) => column += 1,
            Event::Text(text) if in_head && column == 0 => {
                is_of_messages = text.as_ref() == "message";
            }
            Event::Code(code) if is_of_messages && column == 0 => quoted.push(code.into_string()),
            _ => {}
        }
    }
    quoted
}

#[test]
fn messages_are_the_librarys() {
    let root = checkout();
    let mut sources = String::new();
    for source in files(&root.join("src"), "rs") {
        for line in read(&source).lines() {
            // A text that goes on in the next line.
            match line.trim_start().strip_suffix('\\') {
                Some(begin) => sources.push_str(begin),
                None => sources.extend([line.trim_start(), "\n"]),
            }
        }
    }
    let quoted = quoted(&read(&root.join("docs/troubleshooting.md")));
    assert!(quoted.len() > 15, "{quoted:?}");
    for message in quoted {
        assert!(sources.contains(&message), "the library does not say {message:?}");
    }
}
