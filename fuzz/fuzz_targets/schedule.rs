#![no_main]

libfuzzer_sys::fuzz_target!(init: apollo_examples_hostile::quiet(), |data: &[u8]| {
    apollo_examples_hostile::schedule(data);
});
