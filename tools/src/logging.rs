//! The log of the process: lines on standard error, as much as `MORAINE_LOG` asks for (`info` if it does not).

use crate::failure::Failure;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Targets that never reach the log, whatever is asked for: the S3 protocol crate prints whole requests with their
/// correct signatures when it debugs, and every refused request as an error.
fn may_be_logged(target: &str) -> bool {
    target != "s3s" && !target.starts_with("s3s::")
}

/// Starts logging. Called once.
pub fn start() -> Result<(), Failure> {
    let filter = match std::env::var("MORAINE_LOG") {
        Err(_) => EnvFilter::new("info"),
        Ok(text) => EnvFilter::try_new(&text).map_err(|error| {
            Failure::new(format!(
                "MORAINE_LOG is {text:?}, which is no log filter: {error}"
            ))
        })?,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_filter(filter)
        .with_filter(filter_fn(|event| may_be_logged(event.target())));
    tracing_subscriber::registry().with(lines).init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_crate_is_never_logged() {
        assert!(!may_be_logged("s3s"));
        assert!(!may_be_logged("s3s::ops::signature"));
        assert!(may_be_logged("moraine_server"));
        assert!(may_be_logged("s3something"));
    }
}
