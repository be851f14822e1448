//! The test's own way to a server, beside the proxies.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use tokio::time::Duration;

/// A stopped server must not hold up the test for long.
const PATIENCE: Duration = Duration::from_secs(2);

/// None where the server does not answer.
pub(crate) async fn connect(port: u16) -> Option<MultiplexedConnection> {
    let client = Client::open(format!("redis://127.0.0.1:{port}")).expect("a Redis URL");
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .ok()
}

/// A command that must succeed, such as `&["CONFIG", "SET", "maxmemory", "0"]`; gives its answer
/// as text.
pub(crate) async fn command(port: u16, words: &[&str]) -> String {
    let mut connection = connect(port).await.expect("the server answers");
    let mut command = redis::cmd(words[0]);
    let answer: Result<redis::Value, _> =
        command.arg(&words[1..]).query_async(&mut connection).await;
    match answer {
        Ok(redis::Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => panic!("{words:?}: {error}"),
    }
}
