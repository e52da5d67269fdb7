//! `moraine serve`: open the store, set it up if it is new, and serve until a signal.

use crate::admin::files;
use crate::failure::{Failure, Outcome, printed};
use crate::settings::{Flags, Settings};
use crate::setup::{self, ChosenKey};
use crate::signals::Signals;
use crate::{logging, welcome};
use moraine_engine::{Options, Store};
use moraine_server::{Limits, OTHER_CONNECTIONS_MAX, Server, ServerConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;
use std::process::ExitCode;

/// The flags of the subcommand.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Fewer descriptors than this are refused: half of them are for connections, which leaves room for 126 beside those that are
/// refused and those of the admin listener.
const FILES_MIN: u64 = 512;

/// One address may hold one connection in this many, as by default, where the limit of open files lowers their number.
const ADDRESS_SHARE: usize = 4;

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &Args) -> Outcome {
    let mut settings = Settings::decide(&args.flags)?;
    logging::start(settings.log_format)?;
    let chosen = ChosenKey::from_environment()?;
    let options = Options {
        io: settings.io,
        memory_bytes: settings.memory_bytes,
        ..Options::default()
    };
    let files = raise_file_limit();
    if let Some(files) = files.filter(|files| *files < FILES_MIN) {
        return Err(Failure::new(format!(
            "the limit of open files is {files}: allow at least {FILES_MIN} (`ulimit -n`, LimitNOFILE)"
        )));
    }
    bound_connections(&mut settings.server.limits, files);
    let store = Store::open(&settings.data, options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the network threads: {error}")))?;
    runtime.block_on(serve(store, settings, chosen))?;
    Ok(ExitCode::SUCCESS)
}

/// Lets the process open as many files as it may: every segment that is read stays open, one for 256 MiB. Returns how many.
fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current
}

/// Takes no more connections than fit a limit of open files (`None`: without one). Half of the descriptors stay for the
/// store: whoever connects, is refused or asks the admin listener cannot take those that it needs for the next segment.
fn bound_connections(limits: &mut Limits, files: Option<u64>) {
    let half = files.map_or(usize::MAX, |files| {
        usize::try_from(files / 2).unwrap_or(usize::MAX)
    });
    let (asked, room) = (
        limits.connections,
        half.saturating_sub(OTHER_CONNECTIONS_MAX).max(1),
    );
    if asked <= room {
        return;
    }
    limits.connections = room;
    // 0 is no bound.
    limits.connections_per_address = limits
        .connections_per_address
        .min(room.div_ceil(ADDRESS_SHARE));
    tracing::warn!(
        connections = room,
        asked,
        "fewer connections are taken than asked for: the limit of open files allows no more"
    );
}

async fn serve(store: Store, settings: Settings, chosen: Option<ChosenKey>) -> Result<(), Failure> {
    let signals = Signals::take()?;
    let config = ServerConfig {
        admin_token: files::token(&store, &settings.data)?,
        ..settings.server
    };
    let server = Server::bind(store.clone(), config)
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    // Taken back when this ends, however it does.
    let _announced = files::announce(&store, &settings.data, server.admin_address());
    let set_up = setup::complete(&store, chosen).await?;
    let text = welcome::text(
        server.address(),
        server.admin_address(),
        &settings.data,
        &set_up,
    );
    let mut out = std::io::stdout();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    let ended = server.run(signals.stop_asked()).await;
    ended.map_err(|error| Failure::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{FILES_MIN, bound_connections};
    use moraine_server::{Limits, OTHER_CONNECTIONS_MAX};

    #[test]
    fn connections_leave_half_of_the_descriptors_to_the_store() {
        let bounded = |per_address, files| {
            let mut limits = Limits {
                connections: 1024,
                connections_per_address: per_address,
                ..Limits::default()
            };
            bound_connections(&mut limits, files);
            (limits.connections, limits.connections_per_address)
        };
        assert_eq!(bounded(256, Some(4096)), (1024, 256));
        assert_eq!(bounded(256, None), (1024, 256));
        let (connections, per_address) = bounded(256, Some(1024));
        assert_eq!(connections + OTHER_CONNECTIONS_MAX, 512);
        assert_eq!(per_address, connections.div_ceil(4));
        assert_eq!(bounded(0, Some(1024)), (connections, 0));
        assert_eq!(bounded(256, Some(FILES_MIN)).0, 126);
    }
}
