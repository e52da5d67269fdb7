//! nginx with the objects as files, set up as one would for static files: sendfile, whole packets, no log, open files kept.

use crate::compare::process::{Server, free_address};
use crate::load::Done;
use crate::load::body::{Body, Template};
use crate::load::requests::object_path;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian puts it, which is not in everybody's `PATH`.
const DEBIAN: &str = "/usr/sbin/nginx";

/// One worker for each core, as the store and the bare servers have one network thread for each.
fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    let user = if rustix::process::getuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes auto;
worker_rlimit_nofile 16384;
events {{ worker_connections 4096; }}
http {{
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    access_log off;
    open_file_cache max=10000 inactive=600s;
    open_file_cache_valid 600s;
    open_file_cache_min_uses 1;
    types {{ image/jpeg jpg; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} backlog=1024;
        root {folder}/www;
    }}
}}
"
    )
}

/// The program.
pub fn program() -> PathBuf {
    let debian = Path::new(DEBIAN);
    if debian.exists() {
        debian.to_owned()
    } else {
        PathBuf::from("nginx")
    }
}

/// Its version, as it says it.
pub fn version() -> String {
    let output = Command::new(program()).arg("-v").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    text.unwrap_or_default().replace("nginx version: ", "")
}

/// Writes the files and starts it.
pub fn start(folder: &Path, bucket: &str, objects: &[Body], template: &Template) -> Done<Server> {
    let failed = |error: std::io::Error| format!("the files of nginx: {error}");
    for body in objects {
        let file = folder.join(format!("www{}", object_path(bucket, *body)));
        let parent = file.parent().ok_or("a file without a folder")?;
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&file, template.whole(*body)))
            .map_err(failed)?;
    }
    let address = free_address()?;
    let settings = folder.join("nginx.conf");
    fs::write(&settings, configuration(folder, address)).map_err(failed)?;
    let mut command = Command::new(program());
    command
        .arg("-p")
        .arg(folder)
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-c")
        .arg(settings);
    Server::start(command, "nginx", address, folder)
        .map_err(|why| format!("{why} (`cargo xtask bench` installs it; elsewhere install nginx)"))
}
