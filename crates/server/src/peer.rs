//! Where a request comes from: the other end of the connection, or whom a trusted proxy names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Once;

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

/// Where proxies list whom they speak for, the one who came last at the end.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Default for Peer {
    /// This machine: a request that came by no connection was made in this process.
    fn default() -> Self {
        Self(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

/// Whom a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address, as far as it can be told.
    pub(crate) address: IpAddr,
    /// Why that may be a proxy's.
    pub(crate) doubt: Option<Doubt>,
}

/// Why the address that counts may be a proxy's, and not that of whom the proxy speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Whoever is at the other end says that it speaks for others, and is no trusted proxy.
    Untrusted,
    /// The two headers name different clients.
    Contradiction,
}

impl Peer {
    /// Whom the request comes from.
    ///
    /// What a header says counts only as far as trusted proxies have written it: entries are read from the right, and the
    /// first one that is no trusted proxy is the client. Who is not behind a trusted proxy is its own witness, and only the
    /// connection counts.
    ///
    /// A proxy commonly writes one of `Forwarded` (RFC 7239) and `X-Forwarded-For`, and lets the other through as the client
    /// has sent it. Which one it writes cannot be told, so whichever was preferred, some clients could choose their address.
    /// Where both are there and disagree, neither counts.
    pub(crate) fn client(self, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
        let peer = self.0.ip().to_canonical();
        let old = headers.contains_key(&X_FORWARDED_FOR);
        let new = headers.contains_key(FORWARDED);
        if (old || new) && !is_trusted(peer, trusted) {
            return Client { address: peer, doubt: Some(Doubt::Untrusted) };
        }
        let old = old.then(|| client_of(peer, listed(headers).rev(), trusted));
        let new = new.then(|| client_of(peer, forwarded(headers).rev(), trusted));
        match (old, new) {
            (Some(one), Some(other)) if one != other => {
                Client { address: peer, doubt: Some(Doubt::Contradiction) }
            }
            (Some(address), _) | (None, Some(address)) => Client { address, doubt: None },
            (None, None) => Client { address: peer, doubt: None },
        }
    }
}

/// Tells of each kind of doubt once: whoever sends requests decides how often there is one.
#[derive(Debug)]
pub(crate) struct Doubts {
    untrusted: Once,
    contradiction: Once,
}

impl Default for Doubts {
    fn default() -> Self {
        Self { untrusted: Once::new(), contradiction: Once::new() }
    }
}

impl Doubts {
    /// Says in the log what is wrong with a request of `peer`, unless that was said before.
    pub(crate) fn tell(&self, doubt: Doubt, peer: Peer) {
        let peer = peer.0.ip().to_canonical();
        match doubt {
            Doubt::Untrusted => self.untrusted.call_once(|| {
                tracing::warn!(
                    peer = %peer,
                    "{peer} says that it forwards requests and is not in server.trusted_proxies: if it is a proxy of yours, \
                     name it there, or all its callers are counted as one"
                );
            }),
            Doubt::Contradiction => self.contradiction.call_once(|| {
                tracing::warn!(
                    peer = %peer,
                    "{peer}, which server.trusted_proxies names, forwards requests of which Forwarded and X-Forwarded-For name \
                     different clients: let it remove the header that it does not write, or such callers are counted as one"
                );
            }),
        }
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// Follows `hops`, the last proxy's word first, from `peer` to the first who is no trusted proxy. One who does not tell an
/// address ends the way: the client is then somebody behind the last proxy that is known.
fn client_of(
    peer: IpAddr,
    hops: impl Iterator<Item = Option<IpAddr>>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut client = peer;
    for hop in hops {
        if !is_trusted(client, trusted) {
            break;
        }
        let Some(hop) = hop else { break };
        client = hop;
    }
    client
}

/// The hops of `X-Forwarded-For`; `None` for one that is no address.
fn listed(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(&X_FORWARDED_FOR).iter();
    lines.flat_map(|line| line.to_str().unwrap_or("unreadable").split(',')).map(address)
}

/// The hops of `Forwarded`; `None` for one that says `unknown`, hides its name or cannot be read.
fn forwarded(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED).iter();
    // Neither commas nor semicolons can be part of an address; in other quoted values they only make entries that cannot be
    // read, and those end the way.
    lines.flat_map(|line| line.to_str().unwrap_or("unreadable").split(',')).map(|element| {
        let mut found = element.split(';').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
        });
        let (Some(node), None) = (found.next(), found.next()) else { return None };
        let quoted = node.strip_prefix('"').and_then(|node| node.strip_suffix('"'));
        address(quoted.unwrap_or(node))
    })
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// What counts as one neighbour when requests are counted: an IPv4 address, or the network of 64 bits that one customer has
/// of IPv6, who could otherwise take another address for each request.
pub(crate) fn neighbour(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn judged(peer: &str, headers: &[(&'static str, &str)]) -> Client {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|net| net.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Peer(peer.parse().unwrap()).client(&map, &trusted)
    }

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        judged(peer, headers).address.to_string()
    }

    #[test]
    fn without_a_trusted_proxy_only_the_connection_counts() {
        assert_eq!(client("192.0.2.7:5000", &[]), "192.0.2.7");
        let lies = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(client("192.0.2.7:5000", &lies), "192.0.2.7");
        assert_eq!(client("[2001:db8:2::1]:5000", &lies), "2001:db8:2::1");
        assert_eq!(client("10.0.0.1:5000", &[]), "10.0.0.1", "the proxy itself asks");
    }

    #[test]
    fn the_client_is_the_last_who_is_no_trusted_proxy() {
        for (line, expected) in [
            ("198.51.100.1", "198.51.100.1"),
            ("198.51.100.1, 10.9.9.9", "198.51.100.1"),
            ("198.51.100.1,10.9.9.9,10.8.8.8", "198.51.100.1"),
            // What the client has made up stands to the left of itself.
            ("127.0.0.1, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.5, 198.51.100.1", "198.51.100.1"),
            ("junk, 198.51.100.1", "198.51.100.1"),
            ("198.51.100.1:443", "198.51.100.1"),
            (" 2001:db8:2::1 ", "2001:db8:2::1"),
            ("[2001:db8:2::1]:443", "2001:db8:2::1"),
            ("[2001:db8:2::1]", "2001:db8:2::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ] {
            assert_eq!(client("10.0.0.1:5000", &[("x-forwarded-for", line)]), expected, "{line}");
        }
        let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.1, 10.9.9.9")];
        assert_eq!(client("10.0.0.1:5000", &lines), "198.51.100.1");
    }

    #[test]
    fn a_hop_that_cannot_be_read_ends_the_way() {
        for line in ["", "unknown", "junk", "198.51.100.1, ", "198.51.100.1, 999.1.1.1", "\u{e9}"] {
            assert_eq!(
                client("10.0.0.1:5000", &[("x-forwarded-for", line)]),
                "10.0.0.1",
                "{line:?}"
            );
        }
        let line = "198.51.100.1, unknown, 10.9.9.9";
        assert_eq!(client("10.0.0.1:5000", &[("x-forwarded-for", line)]), "10.9.9.9");
    }

    #[test]
    fn the_standard_header_says_the_same() {
        for (line, expected) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1"),
            ("proto=https; for=\"198.51.100.1:4711\"", "198.51.100.1"),
            ("for=\"[2001:db8:2::1]:4711\"", "2001:db8:2::1"),
            ("for=127.0.0.1, for=198.51.100.1, for=\"[2001:db8:1::9]\"", "198.51.100.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=198.51.100.1;for=198.51.100.2", "10.0.0.1"),
            ("by=10.0.0.1", "10.0.0.1"),
            ("for=198.51.100.1, host=\"a,for=198.51.100.2\"", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1:5000", &[("forwarded", line)]), expected, "{line}");
        }
    }

    #[test]
    fn where_the_two_headers_disagree_neither_counts() {
        let both =
            |old, new| client("10.0.0.1:5000", &[("x-forwarded-for", old), ("forwarded", new)]);
        assert_eq!(both("198.51.100.1", "for=198.51.100.1"), "198.51.100.1");
        assert_eq!(both("198.51.100.1", "for=198.51.100.2"), "10.0.0.1");
        assert_eq!(both("198.51.100.1", ""), "10.0.0.1");
    }

    #[test]
    fn a_doubt_is_told_where_there_is_one() {
        let old = [("x-forwarded-for", "198.51.100.1")];
        let new = [("forwarded", "for=198.51.100.2")];
        let doubt = |peer, headers: &[_]| judged(peer, headers).doubt;

        assert_eq!(doubt("192.0.2.7:5000", &[]), None);
        assert_eq!(doubt("10.0.0.1:5000", &old), None);
        assert_eq!(doubt("192.0.2.7:5000", &old), Some(Doubt::Untrusted));
        assert_eq!(doubt("192.0.2.7:5000", &new), Some(Doubt::Untrusted));
        let both = [old, new].concat();
        assert_eq!(doubt("192.0.2.7:5000", &both), Some(Doubt::Untrusted));
        assert_eq!(doubt("10.0.0.1:5000", &both), Some(Doubt::Contradiction));
    }

    #[test]
    fn a_proxy_that_comes_by_both_protocols_is_one() {
        let line = [("x-forwarded-for", "198.51.100.1")];
        assert_eq!(client("[::ffff:10.0.0.1]:5000", &line), "198.51.100.1");
        assert_eq!(client("[2001:db8:1::7]:5000", &line), "198.51.100.1");
    }

    #[test]
    fn a_customers_network_is_one_neighbour() {
        let of = |text: &str| neighbour(text.parse().unwrap()).to_string();
        assert_eq!(of("198.51.100.1"), "198.51.100.1");
        assert_eq!(of("::ffff:198.51.100.1"), "198.51.100.1");
        assert_eq!(of("2001:db8:2:3:4:5:6:7"), "2001:db8:2:3::");
    }
}
