//! Optimizer state through a growth, looked at itself: every optimizer of Burn under every policy.

mod support;

use std::collections::{BTreeMap, HashMap};

use burn::module::ParamGroup;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::TensorData;
use burn_apollo::expand::{Interpolation, Stacking};
use burn_apollo::optim::{MomentOrders, MomentPolicy};
use burn_apollo::{Apollo, Plan, apollo::GrowthRequest};
use burn_pack::{Reader, Scalar};
use support::roster::roster;
use support::{Net, bits, chain, device, stages, train_step};

const POLICIES: [MomentPolicy; 4] =
    [MomentPolicy::Reset, MomentPolicy::FreshCopies, MomentPolicy::Copy, MomentPolicy::Scaled];

/// The state of one parameter: its tensors and scalars by field, and its module path.
#[derive(Debug, Default, Clone, PartialEq)]
struct State {
    tensors: BTreeMap<String, Vec<f32>>,
    scalars: BTreeMap<String, Scalar>,
    path: String,
}

fn states(optim: &ModuleOptimizer) -> HashMap<String, State> {
    let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let mut states: HashMap<String, State> = HashMap::new();
    for (name, value) in reader.scalars() {
        let (id, field) = name.split_once('.').unwrap();
        states.entry(id.to_owned()).or_default().scalars.insert(field.to_owned(), *value);
    }
    for (id, path) in reader.metadata() {
        states.entry(id.clone()).or_default().path = path.clone();
    }
    for tensor in reader.into_tensors().unwrap() {
        let (name, dtype, shape, _, bytes) = tensor.into_parts().unwrap();
        let (id, field) = name.split_once('.').unwrap();
        let values = TensorData::from_bytes(bytes, shape, dtype).iter::<f32>().collect();
        states.get_mut(id).unwrap().tensors.insert(field.to_owned(), values);
    }
    states
}

/// Five steps at 2 layers, then growth to 5 as the fifth ends; and the same without the growth.
fn grow(
    optim: &ModuleOptimizer,
    policy: MomentPolicy,
) -> (Apollo<Net>, ModuleOptimizer, HashMap<String, State>) {
    let net = Net::new(5, &device());
    let run = |end: u64| {
        let plan = Plan::new(20).with_schedule(stages(&[(2, end)], 5)).with_moments(policy);
        let mut optim = optim.clone();
        let mut model = Apollo::new(net.clone(), plan).unwrap();
        for _ in 0..5 {
            train_step(&mut model, &mut optim, 0.01);
        }
        (model, optim)
    };
    let (grown, grown_optim) = run(5);
    let (_, control) = run(15);
    (grown, grown_optim, states(&control))
}

fn order(name: &str, field: &str) -> i32 {
    let order = MomentOrders::default().order(field);
    order.unwrap_or_else(|| panic!("{name}: the orders do not know `{field}`")) as i32
}

#[test]
fn copies_inherit_the_state_of_their_source() {
    for (name, optim) in roster() {
        for policy in POLICIES {
            let (model, optim, before) = grow(&optim, policy);
            let after = states(&optim);
            if policy == MomentPolicy::Reset {
                assert!(after.is_empty(), "{name}: {after:?}");
                continue;
            }
            let layers = &model.registry().stacks[0].layers;
            assert_eq!(layers.len(), 5);
            for (place, layer) in layers.iter().enumerate() {
                let copies = if place < 3 { 3 } else { 2 }; // 2 → 5 is 0 0 0 1 1
                for param in &layer.params {
                    let what = format!("{name} under {policy:?}: layer {place} {}", param.path);
                    let parent = param.parent.as_ref().unwrap_or(&param.id);
                    if policy == MomentPolicy::FreshCopies && parent != &param.id {
                        assert!(!after.contains_key(&param.id), "{what}: starts without");
                        continue;
                    }
                    let Some(old) = before.get(parent) else {
                        assert_eq!(name, "SGD", "{what}: only plain SGD may have no state");
                        continue;
                    };
                    let new = after.get(&param.id).unwrap_or_else(|| panic!("{what}: no state"));
                    assert_eq!(new.scalars, old.scalars, "{what}: step count and rank");
                    assert_eq!(new.path, format!("blocks.{place}.{}", param.path), "{what}");
                    assert_eq!(
                        new.tensors.keys().collect::<Vec<_>>(),
                        old.tensors.keys().collect::<Vec<_>>(),
                        "{what}"
                    );
                    for (field, values) in &new.tensors {
                        let scale = match policy {
                            MomentPolicy::Scaled => {
                                f64::from(copies).powi(order(name, field)).recip()
                            }
                            _ => 1.0,
                        };
                        let expected: Vec<f32> = old.tensors[field]
                            .iter()
                            .map(|x| (f64::from(*x) * scale) as f32)
                            .collect();
                        assert_eq!(values, &expected, "{what}: {field}");
                        assert!(
                            name == "SGD" || values.iter().any(|v| *v != 0.0),
                            "{what}: {field}"
                        );
                    }
                }
            }
            // Parameters outside the stack keep their state.
            let outside = |s: &&State| !s.path.starts_with("blocks");
            let kept = |all: &HashMap<String, State>| all.values().filter(outside).count();
            assert_eq!(kept(&after), kept(&before), "{name}");
            for (id, state) in before.iter().filter(|(_, s)| outside(s)) {
                assert_eq!(&after[id], state, "{name}: {}", state.path);
            }
        }
    }
}

#[test]
fn every_optimizer_trains_on_after_a_growth() {
    for (name, optim) in roster() {
        for policy in POLICIES {
            let (mut model, mut optim, _) = grow(&optim, policy);
            let before = bits(model.model());
            let others = states(&optim);
            train_step(&mut model, &mut optim, 0.01);
            for (path, values) in bits(model.model()) {
                assert_ne!(values, before[&path], "{name} under {policy:?}: {path} is trained");
            }
            // Inherited step counts went on by one; nothing was started afresh.
            for (id, state) in states(&optim) {
                let time = |s: &State| {
                    s.scalars.iter().find(|(f, _)| f.ends_with("time")).map(|(_, t)| *t)
                };
                let (Some(now), Some(old)) = (time(&state), others.get(&id).and_then(time)) else {
                    continue;
                };
                assert_eq!(u64::try_from(now).unwrap(), u64::try_from(old).unwrap() + 1, "{name}");
            }
        }
    }
}

/// The step after a growth uses the inherited moments: a fresh optimizer makes another one.
#[test]
fn the_next_step_depends_on_the_inherited_state() {
    let optim = AdamWConfig::new().init();
    let next = |policy| {
        let (mut model, mut optim, _) = grow(&optim, policy);
        train_step(&mut model, &mut optim, 0.01);
        bits(model.model())
    };
    let all = POLICIES.map(next);
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate().skip(i + 1) {
            assert_ne!(a, b, "{:?} and {:?}", POLICIES[i], POLICIES[j]);
        }
    }
}

#[test]
fn an_optimizer_that_takes_no_state_back_is_an_error() {
    // The growth is another than the plan's, whose maps were looked at: the group names a layer that no copy by
    // stacking was to come from.
    let sgd = SgdConfig::new().with_momentum(Some(MomentumConfig::new())).build();
    let group = ParamGroup::from_predicates(vec!["blocks.1", "weight"]);
    let other = ParamGroup::from_predicates(vec!["blocks.3", "weight"]);
    let mut optim =
        AdamWConfig::new().init().with_group(group, sgd.clone(), None).with_group(other, sgd, None);
    let plan = Plan::new(20).with_schedule(stages(&[(2, 9)], 4)).with_expander(Stacking);
    let mut model = Apollo::new(Net::new(4, &device()), plan).unwrap();
    train_step(&mut model, &mut optim, 0.01);
    let request = GrowthRequest::next().with_expander(Interpolation);
    let error = chain(&model.grow(&mut optim, &request).unwrap_err());
    assert!(error.contains("state tensors") && error.contains("parameter group"), "{error}");
}
