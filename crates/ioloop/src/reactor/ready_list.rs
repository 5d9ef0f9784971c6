//! Level-triggered sources over edge-triggered events: those that were reported and not drained.
//!
//! mio reports a change once, but a handler that leaves data unread has to be called again. Every
//! reported source goes on this list. Before the next wait, one `poll(2)` rechecks all of them, at
//! 67–95 ns a source; a source found ready is then verified by an `EPOLL_CTL_MOD`, at 505–690 ns.
//! A source that is [drained](super::Reactor::drained) leaves the list at no cost.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use slab::Slab;

use super::{Entry, Readiness, Token, live};
use crate::Result;

/// Tokens in the order of their first report. [`Entry::listed`] is true for each.
#[derive(Default)]
pub(super) struct ReadyList {
    tokens: Vec<Token>,
}

/// The result of `poll(2)` for a source.
pub(super) struct Recheck {
    pub(super) token: Token,
    pub(super) readiness: Readiness,
    /// The descriptor was closed (`POLLNVAL`).
    pub(super) closed: bool,
}

impl ReadyList {
    pub(super) fn push(&mut self, token: Token) {
        self.tokens.push(token);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Removes deregistered and drained sources.
    pub(super) fn remove_drained<S>(&mut self, entries: &mut Slab<Entry<S>>) {
        self.tokens.retain(|&token| {
            let Some(entry) = live(entries, token) else {
                return false;
            };
            entry.listed = !entry.pending.of_interest(entry.interest).is_empty();
            entry.listed
        });
    }

    /// Removes the first `budget` tokens, and returns them.
    pub(super) fn take<S>(&mut self, entries: &mut Slab<Entry<S>>, budget: usize) -> Vec<Token> {
        let taken: Vec<Token> = self.tokens.drain(..self.tokens.len().min(budget)).collect();
        for &token in &taken {
            if let Some(entry) = live(entries, token) {
                entry.listed = false;
            }
        }
        taken
    }

    /// Removes the first `budget` sources, and returns those that one `poll(2)` finds ready.
    ///
    /// # Errors
    ///
    /// Of `poll(2)`. The list is unchanged.
    pub(super) fn recheck<S: AsFd>(
        &mut self,
        entries: &mut Slab<Entry<S>>,
        budget: usize,
    ) -> Result<Vec<Recheck>> {
        let asked = &self.tokens[..self.tokens.len().min(budget)];
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let mut fds: Vec<PollFd<'_>> = asked
            .iter()
            .map(|token| &entries[token.index() as usize])
            .map(|entry| PollFd::new(&entry.source, entry.interest.to_poll()))
            .collect();
        rustix::event::poll(&mut fds, Some(&NO_WAIT))?;

        let count = asked.len();
        let answers = asked
            .iter()
            .zip(&fds)
            .map(|(&token, fd)| (token, fd.revents()));
        let ready = answers
            .filter(|(_, revents)| !revents.is_empty())
            .map(|(token, revents)| Recheck {
                token,
                readiness: Readiness::from_poll(revents),
                closed: revents.contains(PollFlags::NVAL),
            })
            .collect();
        for token in self.tokens.drain(..count) {
            let entry = &mut entries[token.index() as usize];
            entry.listed = false;
            entry.pending = Readiness::empty();
        }
        Ok(ready)
    }
}

const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
