//! `moraine serve`: open the store, set it up if it is new, and serve until a signal.

use crate::admin::files;
use crate::failure::{Failure, Outcome, printed};
use crate::settings::{Flags, Settings};
use crate::setup::{self, ChosenKey};
use crate::signals::Signals;
use crate::{logging, welcome};
use moraine_engine::{Options, Store};
use moraine_server::{Server, ServerConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;
use std::process::ExitCode;

/// The flags of the subcommand.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Fewer descriptors than this are refused: a new store holds 22, each segment that is read one more, and half of all are
/// for connections.
const FILES_MIN: u64 = 64;

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
    let connections = &mut settings.server.limits.connections;
    let asked = std::mem::replace(connections, affordable(*connections, files));
    if *connections < asked {
        tracing::warn!(
            connections,
            asked,
            "fewer connections are taken than asked for: the limit of open files allows no more"
        );
    }
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

/// How many of the connections that were asked for fit a limit of open files (`None`: without one). Half of the
/// descriptors stay for the store: whoever connects must not be able to take those that it needs for the next segment.
fn affordable(asked: usize, files: Option<u64>) -> usize {
    let half = files.map_or(usize::MAX, |files| {
        usize::try_from(files / 2).unwrap_or(usize::MAX)
    });
    asked.min(half).max(1)
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
    use super::affordable;

    #[test]
    fn connections_leave_half_of_the_descriptors_to_the_store() {
        assert_eq!(affordable(1024, Some(4096)), 1024);
        assert_eq!(affordable(1024, Some(1024)), 512);
        assert_eq!(affordable(1024, Some(1)), 1);
        assert_eq!(affordable(1024, None), 1024);
    }
}
