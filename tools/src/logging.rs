//! The log of the process: lines on standard error, as much as `MORAINE_LOG` asks for.
//!
//! `MORAINE_LOG` is a list such as `info,request=debug`: a level for everything, and levels for targets. The target
//! `request` has one line for each request (`warn`: the server failed, `info`: it was refused, `debug`: it went well).
//! Lines are text, or one JSON object each, flat, for whoever feeds them to a machine.

use crate::failure::Failure;
use std::io::IsTerminal;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged if `MORAINE_LOG` does not say.
const DEFAULT: &str = "info";

/// What a line looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl Format {
    /// The format of that name.
    pub fn parse(name: &str) -> Result<Self, Failure> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Failure::new(format!(
                "log-format is {name:?}: choose text or json"
            ))),
        }
    }
}

/// Targets that never reach the log, whatever is asked for: the S3 protocol crate prints whole requests with their
/// correct signatures when it debugs, and every refused request as an error.
fn may_be_logged(target: &str) -> bool {
    target != "s3s" && !target.starts_with("s3s::")
}

/// Starts logging. Called once.
pub fn start(format: Format) -> Result<(), Failure> {
    let filter = match std::env::var("MORAINE_LOG") {
        Err(_) => EnvFilter::new(DEFAULT),
        Ok(text) if text.is_empty() => EnvFilter::new(DEFAULT),
        Ok(text) => EnvFilter::try_new(&text).map_err(|error| {
            Failure::new(format!(
                "MORAINE_LOG is {text:?}, which is no log filter: {error}"
            ))
        })?,
    };
    let colours = std::io::stderr().is_terminal();
    let lines = lines(format, std::io::stderr, colours)
        .with_filter(filter)
        .with_filter(filter_fn(|event| may_be_logged(event.target())));
    tracing_subscriber::registry().with(lines).init();
    Ok(())
}

fn lines<S, W>(format: Format, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        Format::Text => lines.with_ansi(colours).boxed(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format) -> String {
        let written = Written::default();
        let writer = written.clone();
        let layer = lines(format, move || writer.clone(), false);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "request", path = "a\"b\nc", status = 200, error = None::<&str>, "request");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_protocol_crate_is_never_logged() {
        assert!(!may_be_logged("s3s"));
        assert!(!may_be_logged("s3s::ops::signature"));
        assert!(may_be_logged("moraine_server"));
        assert!(may_be_logged("s3something"));
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let text = logged(Format::Json);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "request");
        assert_eq!(line["message"], "request");
        assert_eq!(line["path"], "a\"b\nc");
        assert_eq!(line["status"], 200);
        assert!(line.get("error").is_none());
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_is_one_line_whatever_a_value_holds() {
        let text = logged(Format::Text);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("INFO request: request path=\"a\\\"b\\nc\" status=200"),
            "{text}"
        );
    }

    #[test]
    fn formats_have_names() {
        assert_eq!(Format::parse("text"), Ok(Format::Text));
        assert_eq!(Format::parse("json"), Ok(Format::Json));
        assert!(Format::parse("xml").is_err());
    }
}
