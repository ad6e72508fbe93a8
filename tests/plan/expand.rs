//! Layer maps over the whole range.

use burn_apollo::expand::{Expander, Interpolation, LayerMap, MiddleStacking, Stacking};
use burn_apollo::plan::PlanError;
use proptest::prelude::*;

fn roster() -> [(&'static str, Box<dyn Expander>); 5] {
    [
        ("interpolation", Box::new(Interpolation)),
        ("stacking", Box::new(Stacking)),
        ("middle 1", Box::new(middle(1))),
        ("middle 3", Box::new(middle(3))),
        ("middle 200", Box::new(middle(200))),
    ]
}

fn middle(block: usize) -> MiddleStacking {
    MiddleStacking::new(block).unwrap()
}

/// `map(b → c) ∘ map(a → b)`.
fn compose(first: &LayerMap, second: &LayerMap) -> Vec<usize> {
    second.as_slice().iter().map(|i| first.as_slice()[*i]).collect()
}

#[test]
fn every_map_is_complete_and_in_range() {
    for (name, expander) in roster() {
        for target in 1..=128 {
            for source in 1..=target {
                let map = expander.map(source, target).unwrap();
                assert_eq!((map.source(), map.target()), (source, target), "{name}");
                assert_eq!(map.as_slice().len(), target);
                assert!(map.as_slice().iter().all(|s| *s < source));
                assert!((0..source).all(|s| map.copies(s) > 0), "{name} {source} {target}");
                if source == target {
                    assert_eq!(map, LayerMap::identity(source));
                }
            }
        }
    }
}

#[test]
fn interpolation_is_exact_and_in_order() {
    for target in 1..=128_usize {
        for source in 1..=target {
            let map = Interpolation.map(source, target).unwrap();
            assert!(map.as_slice().windows(2).all(|w| w[0] <= w[1]));
            for (i, s) in map.as_slice().iter().enumerate() {
                assert!(s * target <= i * source && i * source < (s + 1) * target);
            }
        }
    }
}

#[test]
fn stacking_takes_whole_copies_and_then_the_top() {
    for target in 1..=64_usize {
        for source in 1..=target {
            let map = Stacking.map(source, target).unwrap();
            let whole = target / source * source;
            assert!((0..whole).all(|i| map.as_slice()[i] == i % source));
            let rest: Vec<usize> = (source - target % source..source).collect();
            assert_eq!(map.as_slice()[whole..], rest);
        }
    }
}

/// Growth by an integer ratio changes nothing at any virtual depth from the new layers on.
#[test]
fn divisible_stages_compose_to_the_direct_map() {
    for source in 1..=12 {
        for factor in 1..=6 {
            let grown = source * factor;
            let growth = Interpolation.map(source, grown).unwrap();
            for depth in grown..=64.max(grown) {
                let after = compose(&growth, &Interpolation.map(grown, depth).unwrap());
                assert_eq!(after, Interpolation.map(source, depth).unwrap().as_slice());
            }
        }
    }
    // It does not hold for other ratios.
    let growth = Interpolation.map(4, 6).unwrap();
    let after = compose(&growth, &Interpolation.map(6, 7).unwrap());
    assert_ne!(after, Interpolation.map(4, 7).unwrap().as_slice());
}

#[test]
fn middle_stacking_inserts_copies_of_the_middle_block_after_it() {
    for (block, blocks) in (1..=4).flat_map(|b| (1..=8_usize).map(move |k| (b, k))) {
        let source = block * blocks;
        let end = blocks.div_ceil(2) * block;
        for more in 0..=3 * block {
            let map = middle(block).map(source, source + more).unwrap();
            let (below, rest) = map.as_slice().split_at(end);
            let (inserted, above) = rest.split_at(more);
            assert!(below.iter().copied().eq(0..end) && above.iter().copied().eq(end..source));
            // Whole copies of the block, then its top layers, so that each but those follows its predecessor.
            let whole = more / block * block;
            assert!((0..whole).all(|i| inserted[i] == end - block + i % block));
            assert!(inserted[whole..].iter().copied().eq(end - more % block..end));
        }
    }
    // The figures of a stage of the paper: one block more.
    assert_eq!(middle(2).map(4, 6).unwrap().as_slice(), [0, 1, 0, 1, 2, 3]);
    assert_eq!(middle(1).map(5, 6).unwrap().as_slice(), [0, 1, 2, 2, 3, 4]);
    // What is no whole number of blocks.
    assert_eq!(middle(3).map(7, 8).unwrap().as_slice(), [0, 1, 2, 2, 3, 4, 5, 6]);
    assert_eq!(middle(3).map(2, 5).unwrap().as_slice(), [0, 1, 0, 1, 1]);
}

/// In whole blocks, many stages are one, and growth changes nothing at any virtual depth from the new layers on.
#[test]
fn middle_stacking_composes() {
    for block in 1..=4 {
        for (from, to, depth) in (1..=6).flat_map(|a| {
            (a..=10).flat_map(move |b| (b..=16).map(move |c| (a * block, b * block, c * block)))
        }) {
            for middle in [middle(block), MiddleStacking::centred(block).unwrap()] {
                let (growth, run) = (middle.map(from, to), middle.map(to, depth));
                let direct = middle.map(from, depth).unwrap();
                assert_eq!(compose(&growth.unwrap(), &run.unwrap()), direct.as_slice());
            }
        }
    }
}

#[test]
fn centred_stacking_inserts_copies_of_the_layers_at_the_middle_after_them() {
    let map = |block, from, to| {
        MiddleStacking::centred(block).unwrap().map(from, to).unwrap().as_slice().to_vec()
    };
    assert_eq!(map(2, 4, 6), [0, 1, 2, 1, 2, 3]);
    assert_eq!(map(3, 6, 9), [0, 1, 2, 3, 1, 2, 3, 4, 5]);
    assert_eq!(map(1, 5, 6), [0, 1, 2, 2, 3, 4]);
    assert_eq!(map(4, 9, 11), [0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8]);
    assert_eq!(map(3, 2, 5), [0, 1, 0, 1, 1]);
}

#[test]
fn a_middle_block_is_data_and_never_empty() {
    let none = PlanError::new("middle_stacking.block", 0, "at least 1 layer");
    assert_eq!(MiddleStacking::new(0), Err(none));
    let json = serde_json::to_string(&middle(4)).unwrap();
    assert_eq!(json, r#"{"block":4}"#);
    assert_eq!(serde_json::from_str::<MiddleStacking>(&json).unwrap(), middle(4));
    assert!(serde_json::from_str::<MiddleStacking>(r#"{"block":0}"#).is_err());
    let centred = MiddleStacking::centred(4).unwrap();
    let json = serde_json::to_string(&centred).unwrap();
    assert_eq!(json, r#"{"block":4,"centred":true}"#);
    assert_eq!(serde_json::from_str::<MiddleStacking>(&json).unwrap(), centred);
}

#[test]
fn impossible_maps_are_errors() {
    for (_, expander) in roster() {
        for source in [0, 4] {
            let expected = "from 1 to the target depth of 3";
            assert_eq!(expander.map(source, 3), Err(PlanError::new("source", source, expected)));
        }
    }
}

proptest! {
    #[test]
    fn first_copies_are_one_for_each_source(source in 1..40_usize, more in 0..40_usize) {
        for (_, expander) in roster() {
            let map = expander.map(source, source + more).unwrap();
            let firsts: Vec<usize> = (0..map.target()).filter(|i| map.is_first_copy(*i)).collect();
            prop_assert_eq!(firsts.len(), source);
            // In order, as layers that begin as the identity need it.
            let sources: Vec<usize> = firsts.iter().map(|i| map.as_slice()[*i]).collect();
            prop_assert!(sources.into_iter().eq(0..source));
            prop_assert_eq!((0..source).map(|s| map.copies(s)).sum::<usize>(), map.target());
        }
    }

    #[test]
    fn any_list_of_numbers_is_a_map_or_an_error(source in 0..9_usize, layers in prop::collection::vec(0..9_usize, 0..20)) {
        let complete = layers.iter().all(|l| *l < source) && (0..source).all(|s| layers.contains(&s));
        prop_assert_eq!(LayerMap::new(source, layers.clone()).is_ok(), complete);
        let json = serde_json::json!({ "source": source, "layers": layers }).to_string();
        prop_assert_eq!(serde_json::from_str::<LayerMap>(&json).is_ok(), complete);
    }
}
