//! The level-triggered promise over edges: who was told something and did not prove it drained.
//!
//! mio reports a change once. A handler that leaves data unread has to be called again all the
//! same, so every source that was reported goes on this list and is asked again before the next
//! wait, with one `poll(2)` for all of them (67–95 ns a source; `EPOLL_CTL_MOD`, which would make
//! epoll report it again, costs 505–690). Code that knows it has read until the operation would
//! block says so, and costs nothing.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use slab::Slab;

use super::{Entry, Readiness, Token};
use crate::Result;

/// Tokens in the order of their first report; the entries know whether they are on it.
#[derive(Default)]
pub(super) struct ReadyList {
    tokens: Vec<Token>,
}

/// What `poll(2)` said of a source.
pub(super) struct Recheck {
    pub(super) token: Token,
    pub(super) readiness: Readiness,
    /// `POLLNVAL`: the descriptor was closed.
    pub(super) closed: bool,
}

impl ReadyList {
    pub(super) fn push(&mut self, token: Token) {
        self.tokens.push(token);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Drops who is gone or proved itself drained.
    pub(super) fn remove_drained<S>(&mut self, entries: &mut Slab<Entry<S>>) {
        self.tokens.retain(|&token| {
            let Some(entry) = super::live(entries, token) else {
                return false;
            };
            entry.listed = !entry.pending.of_interest(entry.interest).is_empty();
            entry.listed
        });
    }

    /// Takes the first `budget` of them off the list.
    pub(super) fn take<S>(&mut self, entries: &mut Slab<Entry<S>>, budget: usize) -> Vec<Token> {
        let taken: Vec<Token> = self.tokens.drain(..self.tokens.len().min(budget)).collect();
        for &token in &taken {
            if let Some(entry) = super::live(entries, token) {
                entry.listed = false;
            }
        }
        taken
    }

    /// Asks the first `budget` of them with one `poll(2)`, takes these off the list, and gives
    /// those that are still ready.
    ///
    /// # Errors
    ///
    /// Of `poll(2)`. The list is as before.
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
            entry.pending = Readiness::EMPTY;
        }
        Ok(ready)
    }
}

const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
