//! One connection to a Redis server that is made again after it broke, and what the server's
//! errors mean to a host.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};
use tokio::sync::Mutex;

use super::RESPONSE_TIMEOUT;
use crate::bus::BusError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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

pub(super) struct Link {
    client: Client,
    name: String,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(super) fn new(url: &str, name: &str) -> Result<Self, BusError> {
        let client = Client::open(url).map_err(|error| BusError::Broken {
            bus: name.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            client,
            name: name.to_owned(),
            connection: Mutex::new(None),
        })
    }

    /// Runs commands on the shared connection to the server that has `key`. Any error but a plain answer of the server
    /// closes it: after a time-out the replies that follow could belong to anything.
    pub(super) async fn run<T>(
        &self,
        key: &str,
        commands: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, BusError> {
        let mut connection = self.shared(key).await?;
        match commands(&mut connection).await {
            Ok(value) => Ok(value),
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
                    self.connection.lock().await.take();
                }
                Err(self.classify(&error))
            }
        }
    }

    async fn shared(&self, key: &str) -> Result<MultiplexedConnection, BusError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let connection = self.open(key).await?;
        Ok(slot.insert(connection).clone())
    }

    /// A new connection to the server that has the key: there is one for all.
    pub(super) async fn open(&self, _key: &str) -> Result<MultiplexedConnection, BusError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| self.classify(&error))
    }

    pub(super) fn classify(&self, error: &RedisError) -> BusError {
        let code = error.code();
        if code == Some("NOGROUP") {
            return BusError::NoGroup {
                stream: String::new(),
                group: String::new(),
            };
        }
        let answered = matches!(
            error.kind(),
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed
        );
        // A transaction is aborted because of one of its commands.
        let passing = match error.clone().into_server_errors() {
            Some(errors) => errors
                .iter()
                .any(|(_, error)| PASSING.contains(&error.code())),
            None => code.is_some_and(|code| PASSING.contains(&code)),
        };
        if answered && !passing {
            return self.broken(error.to_string());
        }
        BusError::Unavailable {
            bus: self.name.clone(),
            reason: error.to_string(),
        }
    }

    pub(super) fn broken(&self, reason: String) -> BusError {
        BusError::Broken {
            bus: self.name.clone(),
            reason,
        }
    }
}
