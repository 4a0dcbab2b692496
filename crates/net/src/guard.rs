//! Which addresses a caller may make us connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 that is not the public internet, after IANA's registry of special-purpose addresses.
const SPECIAL_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),          // this network
    v4(10, 0, 0, 0, 8),         // private
    v4(100, 64, 0, 0, 10),      // carrier-grade NAT; a metadata service at 100.100.100.200
    v4(127, 0, 0, 0, 8),        // loopback
    v4(168, 63, 129, 16, 32),   // public by number, but the metadata service of a large host
    v4(169, 254, 0, 0, 16),     // link-local; most metadata services
    v4(172, 16, 0, 0, 12),      // private
    v4(192, 0, 0, 0, 24),       // protocol assignments; a metadata service at 192.0.0.192
    v4(192, 0, 2, 0, 24),       // documentation
    v4(192, 88, 99, 0, 24),     // relays of 6to4, withdrawn
    v4(192, 168, 0, 0, 16),     // private
    v4(198, 18, 0, 0, 15),      // benchmarking
    v4(198, 51, 100, 0, 24),    // documentation
    v4(203, 0, 113, 0, 24),     // documentation
    v4(224, 0, 0, 0, 4),        // multicast
    v4(240, 0, 0, 0, 4),        // reserved
    v4(255, 255, 255, 255, 32), // broadcast
];

/// IPv6 outside of this is not the public internet: loopback, link-local, unique-local, multicast and all that is unassigned.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What within [`GLOBAL_V6`] is not the public internet either.
const SPECIAL_V6: [Ipv6Net; 3] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments: Teredo, benchmarking, ORCHID
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

/// Decides about destinations that a caller supplied.
///
/// Everything that is not the public internet is refused, unless a range allows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Ranges that callers may name all the same, as those of an office network.
    pub allowed: Vec<IpNet>,
}

impl Guard {
    /// Whether a caller may make us connect to `address`.
    ///
    /// An IPv6 address that only carries an IPv4 one (mapped, compatible, NAT64, 6to4) is judged by what it carries.
    pub fn permits(&self, address: IpAddr) -> bool {
        if self.allowed.iter().any(|range| range.contains(&address)) {
            return true;
        }
        match address {
            IpAddr::V4(address) => !SPECIAL_V4.iter().any(|range| range.contains(&address)),
            IpAddr::V6(address) => match carried(address) {
                Some(carried) => self.permits(IpAddr::V4(carried)),
                None => {
                    GLOBAL_V6.contains(&address)
                        && !SPECIAL_V6.iter().any(|range| range.contains(&address))
                }
            },
        }
    }
}

/// The IPv4 address that packets to this IPv6 address would reach in the end.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        // ::/96, which holds the unspecified and the loopback address too; ::ffff:0:0/96; 64:ff9b::/96.
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(segments: [u16; 8], bits: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(guard: &Guard, address: &str) -> bool {
        guard.permits(address.parse().unwrap())
    }

    #[test]
    fn the_public_internet_is_permitted() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(permits(&Guard::default(), address), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "100::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "ff02::1",
            "4000::1",
            "5f00::1",
            "64:ff9b:1::8.8.8.8",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!permits(&Guard::default(), address), "{address}");
        }
    }

    #[test]
    fn an_address_within_an_address_is_found() {
        for inner in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.0.1", "0.0.0.0"] {
            let [a, b, c, d] = inner.parse::<Ipv4Addr>().unwrap().octets();
            for outer in [
                format!("::ffff:{inner}"),
                format!("::{inner}"),
                format!("64:ff9b::{inner}"),
                format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
                // Teredo carries the client's address with all bits turned.
                format!("2001:0:808:808:0:0:{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d),
            ] {
                assert!(!permits(&Guard::default(), &outer), "{outer}");
            }
        }
    }

    #[test]
    fn a_range_that_the_operator_allows_is_permitted_in_every_form() {
        let guard =
            Guard { allowed: vec!["10.1.0.0/16".parse().unwrap(), "fd12::/16".parse().unwrap()] };
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd12::1"] {
            assert!(permits(&guard, address), "{address}");
        }
        for address in ["10.2.0.1", "127.0.0.1", "fd13::1", "::1"] {
            assert!(!permits(&guard, address), "{address}");
        }
    }
}
