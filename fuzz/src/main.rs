//! Runs one target, the one that `MORAINE_FUZZ_TARGET` names, under libFuzzer. One program for all of them, so that it is
//! built and linked once. `cargo xtask fuzz` builds it with the coverage that libFuzzer needs and `--cfg fuzzing`;
//! without that it can only say so.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: std::sync::OnceLock<fn(&[u8])> = std::sync::OnceLock::new();
    let target = TARGET.get_or_init(|| {
        #[cfg(feature = "canary")]
        moraine_engine::canary::arm();
        let name = std::env::var("MORAINE_FUZZ_TARGET").unwrap_or_default();
        moraine_fuzz::target(&name).expect("MORAINE_FUZZ_TARGET names a target")
    });
    target(data);
});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    eprintln!("this program is built by `cargo xtask fuzz`: without libFuzzer it does nothing");
    std::process::ExitCode::from(2)
}
