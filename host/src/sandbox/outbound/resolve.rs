//! From an origin to the addresses that may be connected to.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::origin::Host;
use super::{Denied, Origin, Outbound, address};

/// Addresses tried for one request, and shown in one message.
const MAX_ADDRESSES: usize = 8;

/// Names of one plugin that are looked up at a time.
const MAX_LOOKUPS: usize = 4;

/// An origin that was granted, with addresses that were checked. There is no other way to one:
/// who connects to these cannot be led elsewhere by a second answer of a name server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Permitted {
    pub(super) origin: Origin,
    pub(super) addresses: Vec<SocketAddr>,
}

/// An address that is not to be reached, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Refused(IpAddr, &'static str);

/// Bounds the lookups of a plugin, those that nobody waits for any more among them: each takes a
/// thread, of those that the files of all guests need too. It is no part of what is granted: any
/// two are equal.
#[derive(Debug, Clone)]
pub struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

impl PartialEq for Lookups {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Lookups {}

impl Lookups {
    /// Waits until fewer are under way, and asks in a thread of the runtime. Dropped while it
    /// waits, it asks nothing; dropped later, the question goes on and counts until the system's
    /// resolver ends it.
    async fn ask(
        &self,
        question: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
    ) -> io::Result<Vec<IpAddr>> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        let answer = spawn_blocking(move || {
            let answer = question();
            drop(permit);
            answer
        });
        answer.await.map_err(io::Error::other)?
    }
}

/// What name servers say of a host, asked once.
///
/// # Errors
/// The resolver's.
pub(super) async fn resolve(lookups: &Lookups, origin: &Origin) -> io::Result<Vec<IpAddr>> {
    match origin.host() {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => {
            let (name, port) = (name.clone(), origin.port());
            let question = move || {
                let found = (name.as_str(), port).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            };
            lookups.ask(question).await
        }
    }
}

impl Outbound {
    /// Whether requests to an origin are granted at all.
    pub(super) fn granted(&self, origin: Origin) -> Result<Origin, Denied> {
        match self.origins.contains(&origin) {
            true => Ok(origin),
            false => Err(Denied::NotGranted(origin)),
        }
    }

    /// Of what a host resolved to, what may be connected to; the rest is left out. `None` where
    /// it resolved to nothing.
    pub(super) fn permit(
        &self,
        origin: Origin,
        found: &[IpAddr],
    ) -> Result<Option<Permitted>, Denied> {
        if found.is_empty() {
            return Ok(None);
        }
        let mut addresses = Vec::new();
        let mut refused = Vec::new();
        for found in found {
            match address::prohibited(*found, &self.networks) {
                None => addresses.push(SocketAddr::new(found.to_canonical(), origin.port())),
                Some(why) => refused.push(Refused(*found, why)),
            }
        }
        if addresses.is_empty() {
            return Err(Denied::Prohibited {
                origin,
                addresses: refused,
            });
        }
        addresses.truncate(MAX_ADDRESSES);
        Ok(Some(Permitted { origin, addresses }))
    }
}

/// `127.0.0.1 (loopback), ::1 (loopback)`
pub(super) fn listed(addresses: &[Refused]) -> String {
    let mut text = String::new();
    for (index, Refused(address, why)) in addresses.iter().take(MAX_ADDRESSES).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}{address} ({why})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(networks: &[&str]) -> Outbound {
        Outbound {
            origins: vec![origin("http://api.example.com:8080")],
            networks: networks
                .iter()
                .map(|text| text.parse().expect("network"))
                .collect(),
            ..Outbound::default()
        }
    }

    fn origin(text: &str) -> Origin {
        text.parse().expect("origin")
    }

    fn permit(outbound: &Outbound, found: &[&str]) -> Result<Option<Permitted>, Denied> {
        let found: Vec<IpAddr> = found.iter().map(|text| text.parse().expect("ip")).collect();
        outbound.permit(origin("http://api.example.com:8080"), &found)
    }

    #[test]
    fn of_public_and_private_answers_the_public_ones_are_connected_to() {
        let found = ["10.0.0.1", "8.8.8.8", "::1", "::ffff:1.1.1.1", "fd00::1"];
        let permitted = permit(&outbound(&[]), &found).expect("some are public");
        let expected = ["8.8.8.8:8080", "1.1.1.1:8080"].map(|text| text.parse().expect("address"));
        assert_eq!(permitted.expect("addresses").addresses, expected);
    }

    #[test]
    fn a_name_with_private_answers_alone_is_denied_with_each_of_them() {
        let error = permit(&outbound(&[]), &["169.254.169.254", "::1"]).expect_err("denied");
        assert_eq!(
            error.to_string(),
            "asked for http://api.example.com:8080, which leads to 169.254.169.254 (a cloud's \
             metadata), ::1 (loopback): the operator can list networks under \
             `allowed_private_networks`"
        );
    }

    #[test]
    fn an_answer_within_a_listed_network_is_connected_to() {
        let permitted = permit(&outbound(&["10.0.0.0/8"]), &["10.0.0.1", "192.168.0.1"]);
        let addresses = permitted.expect("listed").expect("addresses").addresses;
        assert_eq!(addresses, ["10.0.0.1:8080".parse().expect("address")]);
    }

    #[test]
    fn no_answer_is_no_denial() {
        assert_eq!(permit(&outbound(&[]), &[]).expect("no denial"), None);
    }

    #[test]
    fn another_scheme_host_or_port_is_another_origin() {
        let outbound = outbound(&[]);
        assert!(
            outbound
                .granted(origin("HTTP://API.example.com:8080"))
                .is_ok()
        );
        for text in [
            "https://api.example.com:8080",
            "http://api.example.com",
            "http://example.com:8080",
            "http://api.example.com.evil:8080",
        ] {
            let denied = outbound.granted(origin(text));
            assert!(matches!(denied, Err(Denied::NotGranted(_))), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_resolves_to_itself() {
        let found = resolve(&Lookups::default(), &origin("http://[::1]:80"))
            .await
            .expect("no lookup");
        assert_eq!(found, ["::1".parse::<IpAddr>().expect("address")]);
    }

    #[tokio::test]
    async fn lookups_that_nobody_waits_for_count_until_they_are_answered() {
        let lookups = Lookups::default();
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let mut answers = Vec::new();
        for _ in 0..MAX_LOOKUPS {
            let (answer, answered) = std::sync::mpsc::channel();
            answers.push(answer);
            let (lookups, started) = (lookups.clone(), started.clone());
            let waiting = tokio::spawn(async move {
                let hung = move || {
                    started.send(()).map_err(io::Error::other)?;
                    answered.recv().map_err(io::Error::other)
                };
                lookups.ask(hung).await
            });
            starts.recv().await.expect("it asks");
            waiting.abort();
            assert!(waiting.await.expect_err("given up").is_cancelled());
        }
        assert_eq!(lookups.0.available_permits(), 0);

        let soon = std::time::Duration::from_millis(50);
        let name = origin("http://localhost");
        let waited = tokio::time::timeout(soon, resolve(&lookups, &name)).await;
        assert!(waited.is_err(), "{waited:?}");

        drop(answers);
        let found = resolve(&lookups, &name).await.expect("it has its turn");
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    }

    #[test]
    fn a_denial_says_what_to_write_where() {
        let denied = outbound(&[]).granted(origin("https://api.example.com"));
        assert_eq!(
            denied.expect_err("not granted").to_string(),
            "asked for https://api.example.com:443, which is not granted: it needs \
             \"https://api.example.com:443\" under `allowed_outbound_hosts`, in the manifest and in \
             the configuration"
        );
    }
}
