//! The chapters with Rust in them.

macro_rules! chapters {
    ($($name:ident: $page:literal),* $(,)?) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../../docs/", $page))]
            mod $name {}
        )*

        /// Chapters whose Rust blocks are tested.
        #[cfg(test)]
        const TESTED: &[&str] = &[$($page),*];
    };
}

chapters! {
    introduction: "introduction.md",
    tutorial: "tutorial.md",
    depth: "depth.md",
    growth: "growth.md",
    schedules: "schedules.md",
    policies: "policies.md",
    checkpoints: "checkpoints.md",
    cost: "cost.md",
    troubleshooting: "troubleshooting.md",
    pytorch: "pytorch.md",
}

/// Pages whose Rust blocks are not tested here, and why not.
#[cfg(test)]
const OTHERS: &[(&str, &str)] = &[
    ("ema.md", "tests/ema.rs holds the same code"),
    ("data.md", "it quotes tests/quotes.rs of this package"),
    ("hugging-face.md", "it quotes tests/quotes.rs of this package"),
    ("distributed.md", "needs several devices"),
];

#[test]
fn every_chapter_with_rust_is_tested() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    for entry in std::fs::read_dir(docs).unwrap() {
        let path = entry.unwrap().path();
        let page = path.file_name().unwrap().to_str().unwrap();
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let has_rust = std::fs::read_to_string(&path).unwrap().contains("```rust");
        let is_known = TESTED.contains(&page) || OTHERS.iter().any(|(other, _)| *other == page);
        assert!(!has_rust || is_known, "docs/{page} has Rust blocks: name it in chapters.rs");
    }
}
