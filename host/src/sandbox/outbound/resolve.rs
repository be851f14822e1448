//! From an origin to the addresses that may be connected to.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::origin::Host;
use super::{Denied, Origin, Outbound, address};

/// Addresses tried for one request, and shown in one message.
const MAX_ADDRESSES: usize = 8;

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

/// What name servers say of a host, asked once. Dropped, the question goes on in a thread of the
/// runtime until the system's resolver gives it up.
///
/// # Errors
/// The resolver's.
pub(super) async fn resolve(origin: &Origin) -> io::Result<Vec<IpAddr>> {
    match origin.host() {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => {
            let found = tokio::net::lookup_host((name.as_str(), origin.port())).await?;
            Ok(found.map(|address| address.ip()).collect())
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
        let found = resolve(&origin("http://[::1]:80"))
            .await
            .expect("no lookup");
        assert_eq!(found, ["::1".parse::<IpAddr>().expect("address")]);
    }
}
