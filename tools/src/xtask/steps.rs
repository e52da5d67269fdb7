//! The steps of `cargo xtask test`, in the order in which they run: quick ones first.

use crate::count::Count;
use crate::run::Done;
use crate::{bench, fuzz, install, miri, sanitize, schedules, tidy};

/// What a step does.
pub enum Work {
    /// Something of ours; one test.
    Own(fn() -> Done),
    /// Something of ours that counts its own tests.
    Chore(fn() -> Done<Count>),
    /// Cargo with these arguments; the tests that it reports are counted.
    Cargo(&'static [&'static str]),
    /// Scripts of the client tests with their arguments; the tests that they report are counted.
    Clients(&'static [(&'static str, &'static [&'static str])]),
}

/// A step: its name, what it is for, and what it does.
pub struct Step {
    pub name: &'static str,
    pub what: &'static str,
    pub work: Work,
}

const fn step(name: &'static str, what: &'static str, work: Work) -> Step {
    Step { name, what, work }
}

/// Builds the server as released, and what measures it: at once, so that both share one flavour of each crate.
pub const RELEASE: &[&str] = &[
    "build",
    "--release",
    "--package",
    "moraine-tools",
    "--package",
    "moraine-benches",
    "--bin",
    "moraine",
    "--bin",
    "compare",
    "--bin",
    "load",
    "--bin",
    "peer",
];

/// All of them. Tests are built once, with every feature, so that there is one flavour of each crate.
#[rustfmt::skip]
pub const STEPS: &[Step] = &[
    step("install", "what the other steps need, if it is missing", Work::Own(install::everything)),
    step("tidy", "rules of style that no other tool checks", Work::Own(tidy::check)),
    step("fmt", "formatting", Work::Cargo(&["fmt", "--all", "--check"])),
    step("deny", "licences and sources of the dependencies", Work::Cargo(
        &["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"],
    )),
    step("clippy", "lints, warnings denied", Work::Cargo(
        &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
    )),
    step("doc", "the documentation builds without warnings", Work::Cargo(
        &["doc", "--workspace", "--no-deps", "--all-features", "--config", "build.rustdocflags=['-Dwarnings']"],
    )),
    step("unit", "unit tests", Work::Cargo(
        &["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "-E", "not binary(bars)"],
    )),
    step("bars", "models, crashes and faults on the simulated disk", Work::Cargo(
        &["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "-E", "binary(bars)"],
    )),
    step("doctest", "the examples in the documentation", Work::Cargo(
        &["test", "--workspace", "--all-features", "--doc"],
    )),
    step("fuzz", "eight fuzz targets in turn, 30 seconds each, and the canaries", Work::Chore(fuzz::smoke)),
    step("schedules", "the store's threads in 10,000 orders for each of eleven races, and a canary for each", Work::Chore(schedules::explore)),
    step("sanitize", "the ring driver and the mapped index under AddressSanitizer", Work::Chore(sanitize::address)),
    step("miri", "the formats and other pure code of the engine under Miri", Work::Chore(miri::quick)),
    step("release", "the server that the next steps start", Work::Cargo(RELEASE)),
    step("bench", "the comparison with other servers, each once: errors and wrong bytes, not speed", Work::Chore(bench::smoke)),
    step("corpus", "a thousand pictures and some videos", Work::Clients(&[("corpus.py", &[])])),
    step("first-start", "the printed commands, keys and settings", Work::Clients(&[("first_start.py", &[])])),
    step("bad-input", "stores, bodies and disks that are not as they should be; full disks; too few descriptors", Work::Clients(
        &[("bad_input.py", &[]), ("disk_full.py", &["--short"]), ("descriptors.py", &[])],
    )),
    step("hostile", "what strangers send, 100 times over, and a crowd beside a client who works", Work::Clients(
        &[("hostile.py", &[])],
    )),
    step("admin", "tenants, keys, buckets and figures through the commands", Work::Clients(&[("admin.py", &[])])),
    step("roundtrip", "awscli and boto3: the corpus in and out, byte for byte", Work::Clients(
        &[("roundtrip.py", &[])],
    )),
    step("awscli", "the AWS command line, Debian's and PyPI's, and the framing of newer ones, over http and TLS", Work::Clients(
        &[("with_awscli.py", &[]), ("like_awscli.py", &[])],
    )),
    step("boto3", "boto3, over http and TLS", Work::Clients(&[("with_boto3.py", &[])])),
    step("rclone", "rclone, over http and TLS", Work::Clients(&[("with_rclone.py", &[])])),
    step("s3cmd", "s3cmd, over http and TLS", Work::Clients(&[("with_s3cmd.py", &[])])),
    step("restic", "restic, over http and TLS", Work::Clients(&[("with_restic.py", &[])])),
    step("minio", "minio-py, over http and TLS", Work::Clients(&[("with_minio.py", &[])])),
    step("node", "the AWS SDK for JavaScript as Misskey and PeerTube use it", Work::Clients(&[("with_node.py", &[])])),
    step("ruby", "the AWS SDK for Ruby as Mastodon calls it, and the framing of newer ones", Work::Clients(
        &[("with_ruby.py", &[]), ("like_ruby.py", &[])],
    )),
    step("clean-up", "5,000 keys removed by batches", Work::Clients(&[("clean_up.py", &["--keys", "5000"])])),
    step("kill", "kill -9 under load, 20 times", Work::Clients(&[("kill.py", &["--rounds", "20"])])),
    step("sessions", "1,000 random sessions of boto3 against a model, with restarts and kills", Work::Clients(
        &[("sessions.py", &["--sessions", "1000"])],
    )),
];
