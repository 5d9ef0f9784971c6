//! One registration.

use slab::Slab;

use super::selector::Slot;
use super::{Identity, Interest, Readiness, Token};

pub(super) struct Entry<S> {
    pub(super) source: S,
    pub(super) interest: Interest,
    pub(super) generation: u32,
    /// The file that was registered, if reports are to be verified. In a box: most entries have none,
    /// and there are tens of thousands.
    pub(super) identity: Option<Box<Identity>>,
    /// Its place in the selector.
    pub(super) slot: Slot,
    /// Reported and not drained since.
    pub(super) pending: Readiness,
    /// On the ready list.
    pub(super) listed: bool,
    /// Position in the events of this turn, plus one; 0 outside a turn.
    pub(super) collected: u32,
}

impl<S> Entry<S> {
    pub(super) fn token(&self, index: usize) -> Token {
        Token::new(to_index(index), self.generation)
    }
}

/// The registration of `token`; `None` if the token is stale.
pub(super) fn live<S>(entries: &mut Slab<Entry<S>>, token: Token) -> Option<&mut Entry<S>> {
    entries
        .get_mut(token.index() as usize)
        .filter(|entry| entry.generation == token.generation())
}

pub(super) fn to_index(index: usize) -> u32 {
    u32::try_from(index).expect("register() refuses more entries than a u32 can count")
}
