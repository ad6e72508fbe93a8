//! A run: its steps, its growths, its record, its policy, its try-outs.

#[path = "../support/mod.rs"]
mod support;

mod early_samplers;
mod failed_growth;
mod growth;
mod layer_rates;
mod non_finite;
mod policy;
mod record;
mod try_out;
