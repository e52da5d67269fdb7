//! A server as a child process: started, waited for, stopped. If whoever started it gives up, it is asked to end all the same,
//! and killed only if it does not: a server of several processes, such as nginx, takes its workers along only when asked.

use crate::load::Done;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(60);
/// The same for one that is given up.
const GIVE_UP_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// A running server.
pub struct Server {
    child: Child,
    name: String,
    log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

/// An address that nobody listens on at the moment.
pub fn free_address() -> Done<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("a free port: {error}"))
}

impl Server {
    /// Starts it and waits until it listens on `address`; what it prints goes to a file in `folder`.
    pub fn start(
        mut command: Command,
        name: &str,
        address: SocketAddr,
        folder: &Path,
    ) -> Done<Self> {
        let log = folder.join(format!("{}.log", name.replace(' ', "-")));
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let out = File::create(&log).map_err(failed)?;
        let err = out.try_clone().map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let mut server = Self {
            child: child.map_err(failed)?,
            name: name.to_owned(),
            log,
            address,
        };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if !server.is_running() || started.elapsed() > START_MAX {
                return Err(format!("{name} does not start: {}", server.last_words()));
            }
            std::thread::sleep(POLL);
        }
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines
            .get(lines.len().saturating_sub(5)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// Asks it to end, and waits until it has; an error unless it ends well.
    pub fn stop(mut self) -> Done {
        if !self.ask_to_end(STOP_MAX)? {
            return Err(format!("{} does not end", self.name));
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!(
                "{} ended with {status}: {}",
                self.name,
                self.last_words()
            )),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    /// SIGTERM; whether it ended within `max`.
    fn ask_to_end(&mut self, max: Duration) -> Done<bool> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or("a process without a number")?;
        kill_process(pid, Signal::TERM).map_err(|error| format!("{}: {error}", self.name))?;
        let asked = Instant::now();
        while self.is_running() {
            if asked.elapsed() > max {
                return Ok(false);
            }
            std::thread::sleep(POLL);
        }
        Ok(true)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that was waited for has no number any more: it may be another's by now.
        if self.is_running() && !matches!(self.ask_to_end(GIVE_UP_MAX), Ok(true)) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
