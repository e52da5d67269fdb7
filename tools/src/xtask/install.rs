//! Installs what the tests need, each only if it is missing.

use crate::place;
use crate::run::{self, Done};
use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};

/// Debian packages, and what each is for.
const DEBIAN: [(&str, &str); 17] = [
    ("g++", "builds libFuzzer, which attacks the parsers"),
    ("ffmpeg", "makes the videos of the corpus"),
    ("imagemagick", "makes a part of its pictures"),
    (
        "plasma-workspace-wallpapers",
        "real pictures for the corpus",
    ),
    ("mate-backgrounds", "more of them, among them photographs"),
    ("gnome-backgrounds", "more of them, as WebP"),
    ("e2fsprogs", "mkfs.ext4, for a small disk that can be full"),
    ("xfsprogs", "the same with XFS"),
    ("btrfs-progs", "the same with btrfs"),
    ("python3-venv", "the environment of the Python client tests"),
    (
        "faketime",
        "captured requests are replayed at the time of their capture",
    ),
    (
        "nginx-light",
        "the TLS front of docs/nginx.conf, and the server that speed is compared with",
    ),
    (
        "awscli",
        "the version of the AWS command line that Debian has",
    ),
    ("rclone", "a client that the server is tested with"),
    ("s3cmd", "another"),
    ("restic", "another"),
    ("ruby-aws-sdk-s3", "another: the SDK that Mastodon uses"),
];

/// What brings npm where there is none: a machine may have a newer one than Debian's. It brings Node.js itself, of the
/// version that the lock file names, so that Debian's, which is too old for the SDK, need not run it.
const NPM: (&str, &str) = ("npm", "installs the AWS SDK for JavaScript and its Node.js");

/// The folder of `package.json` and its lock file.
const NODE_PACKAGES: &str = "tools/clients/node";

/// No questions of packages.
const QUIETLY: &str = "DEBIAN_FRONTEND=noninteractive";

/// What goes into the Python environment; the file says what each package is for.
const REQUIREMENTS: &str = "tools/clients/requirements.txt";

/// Everything, quickly if it is there already.
pub fn everything() -> Done {
    let npm = (!is_program("npm")).then_some(&NPM);
    debian(DEBIAN.iter().chain(npm))?;
    python()?;
    javascript()
}

/// nginx, whichever there is; the comparison of `cargo xtask bench` needs nothing else.
pub fn nginx() -> Done {
    let mut asked = run::program("nginx");
    asked.arg("-v").stderr(Stdio::null());
    if Path::new("/usr/sbin/nginx").exists() || asked.status().is_ok_and(|status| status.success())
    {
        return Ok(());
    }
    debian(
        DEBIAN
            .iter()
            .filter(|(package, _)| *package == "nginx-light"),
    )
}

fn debian<'a>(packages: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Done {
    let missing: Vec<_> = packages
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

fn is_program(name: &str) -> bool {
    let mut command = run::program(name);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// `apt-get`, with `sudo` for whoever is not root. It asks for a password only where somebody can give one.
fn apt<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    let mut command = run::program(if root { "apt-get" } else { "sudo" });
    if !root {
        if !std::io::stdin().is_terminal() {
            command.arg("-n");
        }
        // `sudo` hands no environment on.
        command.args(["env", QUIETLY, "apt-get"]);
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

/// Exactly what the lock file names, into a folder under `target/`.
fn javascript() -> Done {
    let from = place::root().join(NODE_PACKAGES);
    let to = place::target().join("node");
    let (list, lock) = (from.join("package.json"), from.join("package-lock.json"));
    let wanted =
        fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let stamp = to.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("installed already: the JavaScript packages");
        return Ok(());
    }
    println!(
        "installing the JavaScript packages of {NODE_PACKAGES} into {}",
        to.display()
    );
    fs::create_dir_all(&to)
        .and_then(|()| fs::copy(list, to.join("package.json")))
        .and_then(|_| fs::copy(&lock, to.join("package-lock.json")))
        .map_err(|error| format!("{}: {error}", to.display()))?;
    let mut npm = run::program("npm");
    npm.current_dir(&to).args([
        "ci",
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel=error",
    ]);
    run::finish(npm)?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_every_package() {
        let readme = fs::read_to_string(place::root().join("README.md")).unwrap();
        let words: Vec<&str> = readme
            .split(|c: char| c.is_whitespace() || c == '`')
            .collect();
        for (package, _) in DEBIAN.iter().chain([&NPM]) {
            assert!(words.contains(package), "README.md does not name {package}");
        }
    }
}
