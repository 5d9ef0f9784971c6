//! Addresses as they cross: text in a `Uint8Array` of [`ADDRESS_BYTES`], laid out by
//! [`Address::encode`]. `ts/sockets/address.ts` faces this file.

use ioloop::Result;
use ioloop::net::Address;
use napi_derive::napi;
use rustix::io::Errno;

/// Size of the `Uint8Array` of an address. Byte 0 is one of the `FAMILY_` constants, or 0 for an
/// unnamed Unix socket; bytes 1 and 2 are the port, big endian; byte 3 is the length of the text,
/// which begins at `ADDRESS_TEXT`: an IP address in its canonical form, with the index of its zone
/// if it has one (`fe80::1%2`), or the bytes of a Unix name.
#[napi]
#[expect(clippy::cast_possible_truncation, reason = "112")]
pub const ADDRESS_BYTES: u32 = Address::MAX_BYTES as u32;

/// Where the text of an address begins.
#[napi]
#[expect(clippy::cast_possible_truncation, reason = "4")]
pub const ADDRESS_TEXT: u32 = Address::TEXT_AT as u32;

/// Family of an address, and of a socket: a Unix stream.
#[napi]
pub const FAMILY_UNIX: u8 = Address::UNIX;

/// Family of an address, and of a socket: TCP over IPv4.
#[napi]
pub const FAMILY_IPV4: u8 = Address::V4;

/// Family of an address, and of a socket: TCP over IPv6.
#[napi]
pub const FAMILY_IPV6: u8 = Address::V6;

pub(super) fn decode(bytes: &[u8]) -> Result<Address> {
    Address::decode(bytes).ok_or_else(|| Errno::INVAL.into())
}

pub(super) fn encode(address: &Address, bytes: &mut [u8]) -> Result<()> {
    address.encode(bytes).ok_or(Errno::INVAL)?;
    Ok(())
}
