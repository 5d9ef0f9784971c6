//! Registrations of descriptor numbers. JavaScript names one by its index, which is reused after the
//! registration has ended.

use ioloop::reactor::{Interest, Readiness, Token};
use ioloop::{Error, Result};
use napi::bindgen_prelude::External;
use napi_derive::napi;

use crate::fd::JsFd;
use crate::native_loop::{Core, NativeLoop};

/// Registers a descriptor number for the bits READ, PRI, WRITE, `INTEREST_EDGE` and
/// `INTEREST_VERIFY`. The index of the registration, or a negative errno.
#[napi(catch_unwind)]
pub fn loop_register(handle: &External<NativeLoop>, fd: i32, interest: u32) -> i32 {
    handle.run(|open| {
        let reactor = open.core.reactor_mut();
        let token = reactor.register(JsFd::new(fd)?, Interest::from_word(interest))?;
        if interest & INTEREST_VERIFY != 0
            && let Err(error) = reactor.verify(token)
        {
            reactor.deregister(token);
            return Err(error);
        }
        Ok(token.index() as usize)
    })
}

/// Adds `INTEREST_VERIFY` to a registration. 0, or a negative errno.
#[napi(catch_unwind)]
pub fn loop_verify(handle: &External<NativeLoop>, index: u32) -> i32 {
    handle.run(|open| {
        let token = token_at(&open.core, index)?;
        open.core.reactor_mut().verify(token)
    })
}

/// True if the number of a registration still is the file that was registered, or if that cannot
/// be determined.
#[napi(catch_unwind)]
pub fn loop_is_registered(handle: &External<NativeLoop>, index: u32) -> bool {
    let registered = handle.with(|open| {
        let token = token_at(&open.core, index)?;
        Ok(open.core.reactor().is_registered(token).unwrap_or(true))
    });
    registered.unwrap_or(false)
}

/// Changes the interest of a registration. 0, or a negative errno: `-ENOENT` if it has ended.
#[napi(catch_unwind)]
pub fn loop_reregister(handle: &External<NativeLoop>, index: u32, interest: u32) -> i32 {
    handle.run(|open| {
        let token = token_at(&open.core, index)?;
        let interest = Interest::from_word(interest);
        open.core.reactor_mut().reregister(token, interest)
    })
}

/// The source has been drained of these READ and WRITE bits, outside of a submission. Selectors
/// without `HAS_EDGES` report an edge-triggered source again only after this.
#[napi(catch_unwind)]
pub fn loop_rearm(handle: &External<NativeLoop>, index: u32, bits: u32) {
    // The only failures: the loop is closed, or the registration has ended.
    let _ended = handle.with(|open| {
        let token = token_at(&open.core, index)?;
        let drained = Readiness::from_bits_truncate(bits.to_le_bytes()[0]);
        open.core.reactor_mut().drained(token, drained);
        Ok(())
    });
}

/// Ends a registration. Never fails.
#[napi(catch_unwind)]
pub fn loop_deregister(handle: &External<NativeLoop>, index: u32) {
    // The only failures: the loop is closed, or the registration has ended.
    let _ended = handle.with(|open| {
        let token = token_at(&open.core, index)?;
        open.core.reactor_mut().deregister(token);
        Ok(())
    });
}

fn token_at(core: &Core, index: u32) -> Result<Token> {
    core.reactor().token_at(index).ok_or(Error::Unknown)
}

/// Bit of an interest: other code may close the descriptor by its number, so each report is
/// verified. A stale registration is reported once, as `READY_STALE`, and ends.
#[napi]
pub const INTEREST_VERIFY: u32 = 0x40;
