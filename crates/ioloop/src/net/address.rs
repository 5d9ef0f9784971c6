//! Addresses of sockets.

use std::net::{IpAddr, SocketAddr};

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

    /// Writes the encoded address to the front of `bytes`. Returns the length, at most
    /// [`MAX_BYTES`](Self::MAX_BYTES); `None` if `bytes` is too short. Does not allocate.
    ///
    /// The first byte is the family: 4, 6, 1 for Unix, 0 for none. IP addresses continue with the
    /// port (2 bytes), the address, and for IPv6 the scope (4 bytes). Unix addresses continue with
    /// the length of the name (2 bytes) and the name. Numbers are big endian.
    #[must_use]
    pub fn encode(&self, bytes: &mut [u8]) -> Option<usize> {
        match self {
            Self::Ip(SocketAddr::V4(v4)) => {
                let (port, ip) = (v4.port().to_be_bytes(), v4.ip().octets());
                write(bytes, [&[V4], &port, &ip, &[]])
            }
            Self::Ip(SocketAddr::V6(v6)) => {
                let (port, ip) = (v6.port().to_be_bytes(), v6.ip().octets());
                write(bytes, [&[V6], &port, &ip, &v6.scope_id().to_be_bytes()])
            }
            Self::Unix(name) => {
                let length = u16::try_from(name.len()).ok()?.to_be_bytes();
                write(bytes, [&[UNIX], &length, name, &[]])
            }
            Self::Unnamed => write(bytes, [&[UNNAMED], &[], &[], &[]]),
        }
    }

    /// Decodes an address from [`encode`](Self::encode); `None` for other bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&family, rest) = bytes.split_first()?;
        if family == UNNAMED {
            return Some(Self::Unnamed);
        }
        let (&number, rest) = rest.split_first_chunk()?;
        let number = u16::from_be_bytes(number);
        match family {
            V4 => {
                let octets: [u8; 4] = *rest.first_chunk()?;
                Some(Self::Ip(SocketAddr::new(IpAddr::from(octets), number)))
            }
            V6 => {
                let (octets, rest): (&[u8; 16], _) = rest.split_first_chunk()?;
                let scope = u32::from_be_bytes(*rest.first_chunk()?);
                let v6 = std::net::SocketAddrV6::new((*octets).into(), number, 0, scope);
                Some(Self::Ip(SocketAddr::V6(v6)))
            }
            UNIX => Some(Self::Unix(rest.get(..usize::from(number))?.to_vec())),
            _ => None,
        }
    }

    /// The largest encoding: a `sun_path` of 108 bytes, its family and length, and some reserve.
    pub const MAX_BYTES: usize = 128;
}

/// Writes the parts to the front of `bytes`. Returns their total length; `None` if it does not fit.
fn write(bytes: &mut [u8], parts: [&[u8]; 4]) -> Option<usize> {
    let mut end = 0;
    for part in parts {
        let start = end;
        end += part.len();
        bytes.get_mut(start..end)?.copy_from_slice(part);
    }
    Some(end)
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
const UNIX: u8 = 1;
const V4: u8 = 4;
const V6: u8 = 6;

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
        assert_eq!(longest.encode(&mut vec![0; length]), Some(length));
        assert_eq!(longest.encode(&mut vec![0; length - 1]), None);
        assert_eq!(Address::Unnamed.encode(&mut []), None);
    }

    #[test]
    fn bytes_that_are_cut_short_are_no_address() {
        for bytes in [
            &[][..],
            &[4],
            &[4, 0, 80, 127],
            &[6, 0, 80, 1, 2],
            &[1, 0, 9, b'/'],
            &[9],
        ] {
            assert_eq!(Address::decode(bytes), None, "{bytes:?}");
        }
    }
}
