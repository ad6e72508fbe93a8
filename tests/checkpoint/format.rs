//! What checkpoints know plans by is kept. A set that was written once is kept in `checks/hostile`.

use burn_apollo::Plan;
use burn_apollo::depth::{DepthSamplerConfig, Lvps};
use burn_apollo::expand::{ExpanderConfig, MiddleStacking};
use burn_apollo::policy::{GrowthPolicyConfig, LossPlateau};

/// Plans are told apart by what they serialise: a change makes every checkpoint another plan's.
#[test]
fn names_and_parameters_are_kept() {
    let json = |part: &dyn Fn(Plan) -> Plan| serde_json::to_string(&part(Plan::new(9))).unwrap();
    let whole = json(&|plan| plan);
    let defaults = [
        r#"{"steps":9,"seed":0,"sampler":"lvps","draw_per":"optimizer_step","expander":"interpolation","#,
        r#""new_layers":"copies","moments":"scaled","policy":"fixed","#,
        r#""lr":{"cosine":{"warm_up":0.025,"end":0.1}},"lr_at_growth":"keep","step_seeds":true}"#,
    ];
    assert_eq!(whole, defaults.concat());
    for sampler in DepthSamplerConfig::NAMES {
        let found = json(&|plan| plan.with_sampler(sampler.parse::<DepthSamplerConfig>().unwrap()));
        assert!(found.contains(&format!(r#""sampler":"{sampler}""#)), "{found}");
    }
    for expander in ExpanderConfig::NAMES {
        let found = json(&|plan| plan.with_expander(expander.parse::<ExpanderConfig>().unwrap()));
        assert!(found.contains(&format!(r#""expander":"{expander}""#)), "{found}");
    }
    let lvps = Lvps { excess: 0.3, ..Lvps::default() };
    for (found, expected) in [
        (
            json(&|p| p.with_sampler(lvps)),
            r#""sampler":{"lvps":{"excess":0.3,"end":0.6,"x_min":1e-6}}"#,
        ),
        (
            json(&|p| p.with_expander(MiddleStacking::new(2).unwrap())),
            r#""expander":{"middle_stacking":{"block":2}}"#,
        ),
        (
            json(&|p| p.with_policy("fixed".parse::<GrowthPolicyConfig>().unwrap())),
            r#""policy":"fixed""#,
        ),
        (
            json(&|p| p.with_policy(LossPlateau::new(7).unwrap())),
            r#""policy":{"loss_plateau":{"patience":7,"threshold":0.005,"smoothing":0.9}}"#,
        ),
    ] {
        assert!(found.contains(expected), "{found} should contain {expected}");
    }
}
