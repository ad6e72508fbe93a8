#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    apollo_examples_hostile::tokenizer(data);
});
