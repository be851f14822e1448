//! Log set-up.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// What is logged where `HOTHOUSE_LOG` is not set: the host and what guests say.
const DEFAULT_FILTER: &str = "info";

/// Sends logs to standard error: as lines for people, or as JSON.
///
/// `HOTHOUSE_LOG` filters them, for example `debug` or `hothouse=info,guest=warn`; a filter
/// that cannot be read is named in the log and the default is used.
pub fn init(json: bool, default_filter: Option<&str>) {
    let default = default_filter.unwrap_or(DEFAULT_FILTER);
    let asked = std::env::var("HOTHOUSE_LOG").unwrap_or_else(|_| default.to_owned());
    let parsed = EnvFilter::try_new(&asked);
    let problem = parsed.as_ref().err().map(ToString::to_string);
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new(default));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process, as in tests, is refused: the first one stays.
    let _ = if json {
        builder.json().try_init()
    } else {
        let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
        builder.with_ansi(color).try_init()
    };
    if let Some(problem) = problem {
        tracing::warn!("HOTHOUSE_LOG={asked:?} is not a filter ({problem}); using {default:?}");
    }
}
