//! What the errors of servers and connections mean to a host.

use redis::{ErrorKind, RedisError};

use super::connect::ConnectError;
use crate::bus::BusError;

/// What a server says while it can't serve for now.
const PASSING: [&str; 10] = [
    "LOADING",
    "READONLY",
    "OOM",
    "MISCONF",
    "BUSY",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
    "UNBLOCKED",
];

/// What a node of a cluster says where another one has the slot, or is about to. It has then
/// done nothing.
const ELSEWHERE: [&str; 2] = ["MOVED", "ASK"];

/// What a server says that was, or will be, a replica.
const NO_PRIMARY: [&str; 3] = ["READONLY", "MASTERDOWN", "UNBLOCKED"];

/// What there is to do about an error.
#[derive(Debug)]
pub(super) struct Meaning {
    outcome: Outcome,
    /// The connection is of no more use.
    pub(super) hangs_up: bool,
    /// The slot may be on another node by now.
    pub(super) moved: bool,
}

#[derive(Debug)]
enum Outcome {
    NoGroup,
    Unavailable(String),
    Broken(String),
}

impl Meaning {
    /// Of an error on a connection.
    pub(super) fn of(error: &RedisError, in_cluster: bool) -> Self {
        // A transaction is aborted, and a pipeline fails, because of one of its commands.
        let answers = error.clone().into_server_errors().unwrap_or_default();
        let says = |codes: &[&str]| answers.iter().any(|(_, one)| codes.contains(&one.code()));
        let elsewhere = says(&ELSEWHERE);
        let reason = match answers.first() {
            Some((_, first)) => first.to_string(),
            None => error.to_string(),
        };
        let outcome = match answers.is_empty() {
            true => Outcome::Unavailable(reason),
            false if says(&["NOGROUP"]) => Outcome::NoGroup,
            false if says(&["NOAUTH"]) => Outcome::Broken(
                "it asks for a password: write USER:PASSWORD@ or :PASSWORD@ before the URL's host"
                    .to_owned(),
            ),
            false if says(&["NOPERM"]) => Outcome::Broken(format!(
                "{reason}: give the user the rights that README.md names"
            )),
            false if (elsewhere || says(&["CROSSSLOT"])) && !in_cluster => Outcome::Broken(
                "it is a node of a cluster: begin the URL with redis+cluster:// or \
                 rediss+cluster://"
                    .to_owned(),
            ),
            false if elsewhere || says(&PASSING) => Outcome::Unavailable(reason),
            false => Outcome::Broken(reason),
        };
        Self {
            outcome,
            // A name may belong to another server when it is looked up again.
            hangs_up: answers.is_empty() || says(&NO_PRIMARY),
            moved: elsewhere
                || answers.is_empty()
                || says(&NO_PRIMARY)
                || says(&["CLUSTERDOWN", "TRYAGAIN"]),
        }
    }

    /// Of a connection that was not made.
    pub(super) fn of_connecting(error: ConnectError) -> Self {
        let outcome = match error {
            ConnectError::Config(reason) => Outcome::Broken(reason),
            ConnectError::Silent(reason) => Outcome::Unavailable(reason),
            ConnectError::Redis(error) => match error.kind() {
                ErrorKind::AuthenticationFailed => Outcome::Broken(
                    "it refuses the URL's user name or password: correct them, percent-encoded, \
                     or let the server know them"
                        .to_owned(),
                ),
                ErrorKind::InvalidClientConfig => Outcome::Broken(error.to_string()),
                // It answered, and not with an error of its own: it has no such database.
                ErrorKind::Server(_) if error.clone().into_server_errors().is_none() => {
                    Outcome::Broken(error.to_string())
                }
                _ => Self::of(&error, true).outcome,
            },
        };
        Self {
            outcome,
            hangs_up: true,
            moved: true,
        }
    }

    /// The error for who uses the bus, which is known as `bus`.
    pub(super) fn on(self, bus: &str) -> BusError {
        let bus = bus.to_owned();
        match self.outcome {
            Outcome::NoGroup => BusError::NoGroup {
                stream: String::new(),
                group: String::new(),
            },
            Outcome::Unavailable(reason) => BusError::Unavailable { bus, reason },
            Outcome::Broken(reason) => BusError::Broken { bus, reason },
        }
    }
}
