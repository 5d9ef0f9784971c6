//! Addresses of sockets.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix};

use crate::Result;

/// The address of a socket or of its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Ip(SocketAddr),
    /// A Unix socket: the bytes of its path, or a NUL and its abstract name (Linux).
    Unix(Vec<u8>),
    /// A Unix socket without a name, for example of a socket pair.
    Unnamed,
}

impl Address {
    /// The address for a system call.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG` for a Unix name longer than `sun_path`. `EINVAL` for a path that contains a
    /// NUL: the kernel would stop there and use another file.
    pub(super) fn to_any(&self) -> Result<SocketAddrAny> {
        Ok(match self {
            Self::Ip(address) => (*address).into(),
            Self::Unix(name) => unix(name)?.into(),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Unnamed => SocketAddrUnix::new_unnamed().into(),
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            Self::Unnamed => SocketAddrUnix::new("")?.into(),
        })
    }

    /// The address from a system call. Other families are [`Unnamed`](Self::Unnamed).
    pub(super) fn from_any(address: Option<SocketAddrAny>) -> Self {
        let Some(address) = address else {
            return Self::Unnamed;
        };
        match address.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => {
                SocketAddr::try_from(address).map_or(Self::Unnamed, Self::Ip)
            }
            AddressFamily::UNIX => SocketAddrUnix::try_from(address)
                .map_or(Self::Unnamed, |unix| Self::from_unix(&unix)),
            _ => Self::Unnamed,
        }
    }

    fn from_unix(address: &SocketAddrUnix) -> Self {
        if let Some(path) = address.path() {
            return Self::Unix(path.to_bytes().to_vec());
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = address.abstract_name().filter(|name| !name.is_empty()) {
            return Self::Unix([b"\0", name].concat());
        }
        Self::Unnamed
    }

    /// Writes the address to the front of `bytes` as text with a header, in which addresses cross a
    /// boundary. The number of bytes, at most [`MAX_BYTES`](Self::MAX_BYTES); `None` if they do not
    /// fit. Does not allocate.
    ///
    /// | Bytes | |
    /// | --- | --- |
    /// | 0 | the family: [`V4`](Self::V4), [`V6`](Self::V6), [`UNIX`](Self::UNIX), or 0 for unnamed |
    /// | 1, 2 | the port, big endian |
    /// | 3 | the length of the text |
    /// | from [`TEXT_AT`](Self::TEXT_AT) on | an IP address in its canonical form, with its scope if it has one (`fe80::1%7`); the bytes of a Unix name |
    #[must_use]
    pub fn encode(&self, bytes: &mut [u8]) -> Option<usize> {
        let (header, text) = bytes.split_first_chunk_mut::<{ Self::TEXT_AT }>()?;
        let room = text.len();
        let mut rest = text;
        let (family, port) = match self {
            Self::Ip(SocketAddr::V4(v4)) => {
                write!(rest, "{}", v4.ip()).ok()?;
                (Self::V4, v4.port())
            }
            Self::Ip(SocketAddr::V6(v6)) => {
                write!(rest, "{}", v6.ip()).ok()?;
                if v6.scope_id() != 0 {
                    write!(rest, "%{}", v6.scope_id()).ok()?;
                }
                (Self::V6, v6.port())
            }
            Self::Unix(name) => {
                rest.write_all(name).ok()?;
                (Self::UNIX, 0)
            }
            Self::Unnamed => (UNNAMED, 0),
        };
        let length = room - rest.len();
        let [high, low] = port.to_be_bytes();
        *header = [family, high, low, u8::try_from(length).ok()?];
        Some(header.len() + length)
    }

    /// Reads what [`encode`](Self::encode) writes; `None` for anything else. IP addresses need not be
    /// in the canonical form.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[family, high, low, length], text) = bytes.split_first_chunk()?;
        let port = u16::from_be_bytes([high, low]);
        let text = text.get(..usize::from(length))?;
        match family {
            UNNAMED => Some(Self::Unnamed),
            Self::UNIX => Some(Self::Unix(text.to_vec())),
            Self::V4 => {
                let ip: Ipv4Addr = str::from_utf8(text).ok()?.parse().ok()?;
                Some(Self::Ip(SocketAddr::new(ip.into(), port)))
            }
            Self::V6 => {
                let text = str::from_utf8(text).ok()?;
                let (ip, scope) = text.split_once('%').unwrap_or((text, "0"));
                let v6 = SocketAddrV6::new(ip.parse().ok()?, port, 0, scope.parse().ok()?);
                Some(Self::Ip(v6.into()))
            }
            _ => None,
        }
    }

    /// Where the text begins, after the header.
    pub const TEXT_AT: usize = 4;

    /// The most bytes that [`encode`](Self::encode) writes: the header and a `sun_path` of Linux.
    pub const MAX_BYTES: usize = Self::TEXT_AT + 108;

    /// The family of a Unix socket.
    pub const UNIX: u8 = 1;
    /// The family of TCP over IPv4.
    pub const V4: u8 = 4;
    /// The family of TCP over IPv6.
    pub const V6: u8 = 6;
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn unix(name: &[u8]) -> rustix::io::Result<SocketAddrUnix> {
    match name {
        [0, name @ ..] => SocketAddrUnix::new_abstract_name(name),
        path => SocketAddrUnix::new(path),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn unix(name: &[u8]) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(name)
}

const UNNAMED: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_encoding() {
        let addresses = [
            Address::Ip("127.0.0.1:80".parse().unwrap()),
            Address::Ip("[fe80::1%7]:65535".parse().unwrap()),
            Address::Unix(b"/tmp/a socket".to_vec()),
            Address::Unix(b"\0abstract".to_vec()),
            Address::Unnamed,
        ];
        for address in addresses {
            let mut bytes = [0xff; Address::MAX_BYTES];
            let length = address.encode(&mut bytes).unwrap();
            assert_eq!(Address::decode(&bytes[..length]), Some(address));
        }
    }

    #[test]
    fn the_longest_address_fits_and_one_byte_less_than_it_takes_does_not() {
        let longest = Address::Unix(vec![b'x'; 108]);
        let length = longest.encode(&mut [0; Address::MAX_BYTES]).unwrap();
        assert_eq!(length, Address::MAX_BYTES);
        assert_eq!(longest.encode(&mut vec![0; length]), Some(length));
        assert_eq!(longest.encode(&mut vec![0; length - 1]), None);
        assert_eq!(Address::Unnamed.encode(&mut []), None);
    }

    #[test]
    fn an_ip_address_is_canonical_text() {
        let cases = [
            ("0.0.0.0:0", "0.0.0.0"),
            ("[::]:0", "::"),
            ("[1:0:0:0:0:0:0:0]:0", "1::"),
            ("[2001:0DB8::0001]:0", "2001:db8::1"),
            ("[2001:0:0:1:0:0:0:1]:0", "2001:0:0:1::1"),
            ("[2001:db8:0:1:1:1:1:1]:0", "2001:db8:0:1:1:1:1:1"),
            ("[2001:db8:0:0:1:0:0:1]:0", "2001:db8::1:0:0:1"),
            ("[::ffff:c000:201]:0", "::ffff:192.0.2.1"),
            ("[64:ff9b::192.0.2.33]:0", "64:ff9b::c000:221"),
            ("[fe80::1%4294967295]:0", "fe80::1%4294967295"),
        ];
        for (address, text) in cases {
            let mut bytes = [0xff; Address::MAX_BYTES];
            let length = Address::Ip(address.parse().unwrap())
                .encode(&mut bytes)
                .unwrap();
            assert_eq!(&bytes[Address::TEXT_AT..length], text.as_bytes());
        }
    }

    #[test]
    fn the_header_has_family_port_and_length() {
        let mut bytes = [0xff; Address::MAX_BYTES];
        let address = Address::Ip("[::1]:4660".parse().unwrap());
        assert_eq!(address.encode(&mut bytes), Some(7));
        assert_eq!(bytes[..8], *b"\x06\x12\x34\x03::1\xff");
    }

    #[test]
    fn bytes_that_are_not_an_encoding_give_no_address() {
        for bytes in [
            &b""[..],
            b"\x04\0\0",
            b"\x04\0\x50\x09127.0.0.",
            b"\x04\0\x50\x03::1",
            b"\x04\0\x50\x05127.1",
            b"\x06\0\x50\x05::1%x",
            b"\x06\0\x50\x09127.0.0.1",
            b"\x06\0\x50\x03::\xff",
            b"\x01\0\0\x02/",
            b"\x09\0\0\0",
        ] {
            assert_eq!(Address::decode(bytes), None, "{bytes:?}");
        }
    }
}
