//! Installs what the tests need, each only if it is missing.

use crate::place;
use crate::run::{self, Done};
use std::fs;
use std::process::{Command, Stdio};

/// Debian packages, and what each is for.
const DEBIAN: [(&str, &str); 7] = [
    ("ffmpeg", "makes the videos of the corpus"),
    ("imagemagick", "makes a part of its pictures"),
    (
        "plasma-workspace-wallpapers",
        "real pictures for the corpus",
    ),
    ("mate-backgrounds", "more of them, among them photographs"),
    ("gnome-backgrounds", "more of them, as WebP"),
    ("e2fsprogs", "mkfs.ext4, for a small disk that can be full"),
    ("python3-venv", "the environment of the Python client tests"),
];

/// What goes into the Python environment; the file says what each package is for.
const REQUIREMENTS: &str = "tools/clients/requirements.txt";

/// Everything, quickly if it is there already.
pub fn everything() -> Done {
    debian()?;
    python()
}

fn debian() -> Done {
    let missing: Vec<_> = DEBIAN
        .iter()
        .filter(|(package, _)| !is_installed(package))
        .collect();
    if missing.is_empty() {
        println!("installed already: the Debian packages");
        return Ok(());
    }
    for (package, why) in &missing {
        println!("installing the Debian package {package}: {why}");
    }
    let names = missing.iter().map(|(package, _)| *package);
    run::finish(apt(["update", "-q"]))
        .and_then(|()| {
            let options = ["install", "-y", "-q", "--no-install-recommends"];
            run::finish(apt(options.into_iter().chain(names.clone())))
        })
        .map_err(|why| {
            let names: Vec<_> = names.clone().collect();
            format!(
                "{why}: install these packages by hand and start again: {}",
                names.join(" ")
            )
        })
}

fn is_installed(package: &str) -> bool {
    let status = Command::new("dpkg-query")
        .args(["-W", "-f", "${Status}", package])
        .output();
    status.is_ok_and(|output| output.stdout.ends_with(b" installed"))
}

/// `apt-get`, with `sudo` for whoever is not root.
fn apt<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    let mut command = run::program(if root { "apt-get" } else { "sudo" });
    if !root {
        command.args(["-n", "apt-get"]);
    }
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null());
    command
}

fn python() -> Done {
    let wanted = fs::read_to_string(place::root().join(REQUIREMENTS))
        .map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    let venv = place::venv();
    let stamp = venv.join("requirements.installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("installed already: the Python packages");
        return Ok(());
    }
    println!(
        "installing the Python packages of {REQUIREMENTS} into {}",
        venv.display()
    );
    let mut make = run::program("python3");
    make.args(["-m", "venv"]).arg(&venv);
    run::finish(make)?;
    let mut pip = run::program(venv.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "-r",
        REQUIREMENTS,
    ]);
    run::finish(pip)?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}
