//! The optimizers that a growth must know.

use burn::module::ParamGroup;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, LambConfig, LionConfig,
    ModuleOptimizer, MuonConfig, RmsPropConfig, SgdConfig,
};

/// Every optimizer of Burn 0.22, with the parts of its state that are off by default.
pub fn roster() -> Vec<(&'static str, ModuleOptimizer)> {
    let momentum = MomentumConfig::new();
    let muon = || MuonConfig::new().build();
    let matrices = || ParamGroup::from_predicate("linear.weight");
    vec![
        ("Adam", AdamConfig::new().init()),
        ("AdamW", AdamWConfig::new().init()),
        ("AdamW with AMSGrad", AdamWConfig::new().with_amsgrad(true).init()),
        ("SGD", SgdConfig::new().init()),
        ("SGD with momentum", SgdConfig::new().with_momentum(Some(momentum)).init()),
        ("Muon with AdamW", AdamWConfig::new().init().with_group(matrices(), muon(), None)),
        ("Lion", LionConfig::new().init()),
        ("LAMB", LambConfig::new().init()),
        ("Adan", AdanConfig::new().init()),
        ("Adafactor", AdafactorConfig::new().init()),
        ("AdaGrad", AdaGradConfig::new().init()),
        ("RMSprop", RmsPropConfig::new().with_centered(true).init()),
    ]
}
