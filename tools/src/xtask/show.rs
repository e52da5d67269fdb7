//! `cargo xtask show NAME`: scenarios that are too large for every change, each one command so that anyone can repeat it.

use crate::install;
use crate::run::{self, Done};
use crate::steps::RELEASE;
use std::process::Command;

/// The arguments of the chore.
#[derive(clap::Args)]
pub struct Args {
    /// The scenario, or `list`
    name: String,
}

struct Scenario {
    name: &'static str,
    what: &'static str,
    command: fn() -> Command,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "big-object",
        what: "a 5 GiB object in and out, by parts and in one request, with the server's peak memory (about 5 minutes)",
        command: || run::client("big_object.py", &[]),
    },
    Scenario {
        name: "clean-up",
        what: "100,000 keys put, listed and removed by batches, with the server's peak memory (about 5 minutes)",
        command: || run::client("clean_up.py", &[]),
    },
    Scenario {
        name: "disk-full",
        what: "disks of ext4 and XFS, full at every phase, then room again (about 3 minutes; root, loop devices of 2 GiB)",
        command: || run::client("disk_full.py", &[]),
    },
    Scenario {
        name: "memory",
        what: "the mix of sizes over 64 connections with 64 and 256 MiB of budget, in a memory cgroup (about 2 minutes; root)",
        command: || run::client("memory.py", &["--seconds", "40"]),
    },
    Scenario {
        name: "kill-50",
        what: "kill -9 under load, 50 times in a row (about 5 minutes)",
        command: || run::client("kill.py", &["--rounds", "50"]),
    },
    Scenario {
        name: "sessions",
        what: "5,000 random sessions of boto3 against a model, with restarts and kills (about 5 minutes)",
        command: || run::client("sessions.py", &["--sessions", "5000"]),
    },
    Scenario {
        name: "growth",
        what: "PUT, GET, LIST, starts, memory and disk at 10 thousand, a million and 10 million names (each filled for at most 15 minutes; up to 12 GB)",
        command: || run::cargo(&GROWTH),
    },
    Scenario {
        name: "profile",
        what: "where the CPU time of a GET and of a PUT of 64 KiB goes, into the tables of benches/profile.md and profile-put.md (about 2 minutes)",
        command: || run::script("benches/profile.py"),
    },
    Scenario {
        name: "names-10m",
        what: "10 million names in the name index: put, get, list, restart after a kill, size (about 10 minutes)",
        command: || run::cargo(&names("fjall")),
    },
    Scenario {
        name: "names-10m-redb",
        what: "the same with redb, to which fjall is preferred (about 10 minutes)",
        command: || run::cargo(&names("redb")),
    },
];

/// The growing store, each level filled for at most 15 minutes.
const GROWTH: [&str; 6] = [
    "run",
    "--release",
    "--package",
    "moraine-benches",
    "--bin",
    "growth",
];

/// Ten million names in one engine, for at most 400 seconds.
const fn names(engine: &'static str) -> [&'static str; 11] {
    [
        "run",
        "--release",
        "--package",
        "moraine-benches",
        "--bin",
        "names",
        "--",
        engine,
        "target/names",
        "10000000",
        "400",
    ]
}

/// Runs the scenario against a server built as released.
pub fn run(args: &Args) -> Done {
    if args.name == "list" {
        for scenario in SCENARIOS {
            println!("{:14} {}", scenario.name, scenario.what);
        }
        return Ok(());
    }
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == args.name) else {
        return Err(format!(
            "there is no scenario {}: `cargo xtask show list` names them",
            args.name
        ));
    };
    install::everything()?;
    run::finish(run::cargo(RELEASE))?;
    run::finish((scenario.command)())
}
