//! The servers, side by side, each with its data.

use crate::compare::groups::{SIZES, SIZES_IN_MEMORY, Who};
use crate::compare::nginx;
use crate::compare::process::{Server, free_address};
use crate::load::Done;
use crate::load::body::{Body, Template};
use crate::load::phase::{Setting, complete};
use crate::load::readback;
use crate::load::requests::{Sizes, Source, Target};
use crate::load::window::Limit;
use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const BUCKET: &str = "media";
const ACCESS_KEY: &str = "comparison";
const SECRET: &str = "a-secret-for-loopback-only";
const SEED: u32 = 1;
/// What a server that has just started does in the background is over by then.
const SETTLE: Duration = Duration::from_secs(1);

/// The programs.
pub struct Programs {
    /// `moraine`.
    pub moraine: PathBuf,
    /// `peer`.
    pub peer: PathBuf,
}

/// All servers, running.
pub struct Stage {
    servers: HashMap<Who, Server>,
    template: Arc<Template>,
    objects: HashMap<&'static str, Arc<Vec<Body>>>,
    /// Anonymous memory of the store, started with its data in it, before the first request.
    pub idle_bytes: u64,
}

fn label(sizes: Sizes) -> &'static str {
    match sizes {
        Sizes::Fixed(bytes) if bytes == 4 << 10 => "4KiB",
        Sizes::Fixed(bytes) if bytes == 64 << 10 => "64KiB",
        Sizes::Fixed(bytes) if bytes == 1 << 20 => "1MiB",
        Sizes::Fixed(_) => "16MiB",
        Sizes::Fediverse => "mix",
    }
}

impl Stage {
    /// Makes the data in `folder`, which is new, and starts all of them; of each size at most `objects_max` objects.
    pub fn set(programs: &Programs, folder: &Path, objects_max: usize) -> Done<Self> {
        let template = Arc::new(Template::new(SEED));
        let few = |sizes: Sizes| Arc::new(sizes.objects().into_iter().take(objects_max).collect());
        let objects: HashMap<_, Arc<Vec<Body>>> = SIZES
            .iter()
            .map(|sizes| (label(*sizes), few(*sizes)))
            .collect();
        let mut stage = Self {
            servers: HashMap::new(),
            template,
            objects,
            idle_bytes: 0,
        };
        let all: Vec<Body> = stage
            .objects
            .values()
            .flat_map(|bodies| bodies.iter().copied())
            .collect();
        stage.start_moraine(&programs.moraine, folder, &all)?;
        let site = folder.join("nginx");
        fs::create_dir_all(&site).map_err(|error| format!("{}: {error}", site.display()))?;
        stage.servers.insert(
            Who::Nginx,
            nginx::start(&site, BUCKET, &all, &stage.template)?,
        );
        stage.start_peer(
            &programs.peer,
            Who::HyperGet,
            &["get", "--sizes", SIZES_IN_MEMORY],
            folder,
        )?;
        stage.start_peer(
            &programs.peer,
            Who::HyperBlake3,
            &["put", "--hashing", "blake3"],
            folder,
        )?;
        stage.start_peer(
            &programs.peer,
            Who::HyperBlake3Md5,
            &["put", "--hashing", "blake3-md5"],
            folder,
        )?;
        stage.read_all(&all)?;
        Ok(stage)
    }

    /// Stores the objects, and starts it anew: they are read from sealed segments, as most of a store's content is.
    fn start_moraine(&mut self, program: &Path, folder: &Path, all: &[Body]) -> Done {
        self.servers
            .insert(Who::Moraine, start_moraine(program, folder)?);
        readback::store(&self.setting(Who::Moraine)?, all)?;
        if let Some(server) = self.servers.remove(&Who::Moraine) {
            server.stop()?;
        }
        let server = start_moraine(program, folder)?;
        std::thread::sleep(SETTLE);
        self.idle_bytes = crate::load::usage::Processes::of(server.pid()).anonymous_bytes();
        self.servers.insert(Who::Moraine, server);
        Ok(())
    }

    fn start_peer(&mut self, program: &Path, who: Who, arguments: &[&str], folder: &Path) -> Done {
        let address = free_address()?;
        let mut command = Command::new(program);
        command
            .arg("--listen")
            .arg(address.to_string())
            .args(arguments);
        let server = Server::start(command, who.name(), address, folder)?;
        self.servers.insert(who, server);
        Ok(())
    }

    /// Reads every object once from whoever has it on disk: caches are warm, and all of them have the same bytes.
    fn read_all(&self, all: &[Body]) -> Done {
        for who in [Who::Moraine, Who::Nginx] {
            complete(&self.setting(who)?, |_| Source::Reading(all.to_vec()))
                .map_err(|why| format!("reading all objects from {}: {why}", who.name()))?;
        }
        Ok(())
    }

    /// How `who` is asked; whoever asks sets the rest.
    pub fn setting(&self, who: Who) -> Done<Setting> {
        let server = self
            .servers
            .get(&who)
            .ok_or("a server that was not started")?;
        let own = who == Who::Moraine;
        Ok(Setting {
            target: Target {
                address: server.address,
                bucket: BUCKET.to_owned(),
                access_key: ACCESS_KEY.to_owned(),
                secret: if own {
                    SECRET.to_owned()
                } else {
                    String::new()
                },
            },
            server: Some(server.pid()),
            connections: 16,
            threads: 1,
            fresh: false,
            warm_up: Duration::ZERO,
            limit: Limit::None,
            template: Arc::clone(&self.template),
        })
    }

    /// The objects of these sizes.
    pub fn objects(&self, sizes: Sizes) -> Arc<Vec<Body>> {
        self.objects.get(label(sizes)).cloned().unwrap_or_default()
    }

    /// Stops all of them; the store must end well.
    pub fn stop(mut self) -> Done {
        match self.servers.remove(&Who::Moraine) {
            Some(moraine) => moraine.stop(),
            None => Ok(()),
        }
    }
}

fn start_moraine(program: &Path, folder: &Path) -> Done<Server> {
    let (address, admin): (SocketAddr, SocketAddr) = (free_address()?, free_address()?);
    let mut command = Command::new(program);
    // No settings of whoever runs the comparison.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MORAINE_") {
            command.env_remove(name);
        }
    }
    command
        .env("MORAINE_ACCESS_KEY", ACCESS_KEY)
        .env("MORAINE_SECRET_KEY", SECRET)
        .arg("serve")
        .arg("--data")
        .arg(folder.join("moraine"))
        .arg("--listen")
        .arg(address.to_string())
        .arg("--admin-listen")
        .arg(admin.to_string());
    Server::start(command, "moraine", address, folder)
}
