//! A lane: the posts of one sender to one loop, as records in memory that both threads share.
//!
//! A post takes no lock and makes no call: the sender writes a record behind the last one, and a
//! compare-and-swap of the state word accepts it. The sender may be JavaScript, which has the
//! [memory](Lane::memory) as an `ArrayBuffer`.
//!
//! | State | The sender | The loop |
//! | --- | --- | --- |
//! | armed: the loop may sleep | accepts, and wakes the loop: quiet | [`drain`](Lane::drain): armed; [`disarm`](Lane::disarm): quiet |
//! | quiet: a wake-up is outstanding, or the loop looks for posts | accepts | [`drain`](Lane::drain), [`arm`](Lane::arm): armed |
//! | closed | is refused | |
//!
//! [`close`](Lane::close) sets a bit of the state word, so that a swap either comes before it, and its
//! record is drained or returned by the close, or fails.
//!
//! # Memory
//!
//! | Word | Content | Written by |
//! | --- | --- | --- |
//! | [`STATE`] | units in use, records in them, and the sign bit: closed | the sender; the loop closes |
//! | [`REFUSED`] | posts that the sender has refused for lack of room | the sender |
//! | [`ARMED`] | 1: the next post has to wake the loop | both |
//! | [`DRAINED`] | records that the loop has drained, wrapping | the loop |
//! | [`RECORDS`] and up | records, of units of eight bytes | the sender |
//!
//! Records are not moved while they wait. When the memory is full, the sender
//! [moves](Lane::flush) what the loop has not drained to a vector, under a lock, and begins again at
//! the first word. Large records go to that vector at once ([`append`](Lane::append)).

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

use std::sync::PoisonError;

/// Index of the state word.
pub const STATE: usize = 0;
/// Index of the counter of refused posts.
pub const REFUSED: usize = 1;
/// Index of the word that is 1 while the next post has to wake the loop. In a cache line of its own,
/// as the loop writes it.
pub const ARMED: usize = 16;
/// Index of the counter of drained records.
pub const DRAINED: usize = 17;
/// Index of the first word of the records.
pub const RECORDS: usize = 32;

/// The sign bit of the state: the lane is closed.
pub const CLOSED: u32 = 1 << 31;
/// One record, in the state.
pub const ONE_RECORD: u32 = 1 << UNIT_BITS;
/// The units in use, in the state.
pub const UNITS: u32 = ONE_RECORD - 1;
const UNIT_BITS: u32 = 14;

/// Words of a unit.
const UNIT: usize = 2;
/// Bytes of a unit: records are of whole units.
pub const UNIT_BYTES: usize = 4 * UNIT;

/// Capacity that an empty vector of moved records keeps, at most: a lane lives as long as its sender.
const KEPT_BYTES: usize = 256 * 1024;

/// The posts of one sender to one loop.
#[derive(Debug)]
pub struct Lane {
    memory: Box<[AtomicU32]>,
    /// Most bytes that wait outside of the memory; a record comes after fewer.
    spill_bytes: usize,
    rest: Mutex<Rest>,
    /// `taken` of the rest, for [`has_news`](Self::has_news).
    seen: AtomicU32,
    /// 1 while records are moved out of the memory and not drained.
    has_spilled: AtomicU32,
}

/// Why a record was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The loop is closed.
    Closed,
    /// The loop has not drained the records of before.
    Full,
}

/// The state of a lane beside its memory.
#[derive(Debug, Default)]
struct Rest {
    /// Records that come before those in the memory.
    spilled: Vec<u8>,
    /// Records in `spilled`.
    spilled_records: u32,
    /// Bytes that the sender keeps elsewhere for records in `spilled`.
    elsewhere: usize,
    /// The part of the state that was drained or spilled: units and records.
    taken: u32,
    /// Records that were accepted, without those that `taken` does not cover.
    accepted: u64,
}

impl Lane {
    /// A lane for records of `bytes` bytes in its memory, at most 128 KiB. It begins armed.
    #[must_use]
    pub fn new(bytes: usize, spill_bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).min(UNITS as usize);
        let memory: Box<[AtomicU32]> = (0..RECORDS + UNIT * units)
            .map(|_| AtomicU32::new(0))
            .collect();
        memory[ARMED].store(1, Ordering::SeqCst);
        Self {
            memory,
            spill_bytes,
            rest: Mutex::default(),
            seen: AtomicU32::new(0),
            has_spilled: AtomicU32::new(0),
        }
    }

    /// The shared words.
    pub fn memory(&self) -> &[AtomicU32] {
        &self.memory
    }

    /// Empties the memory: what the loop has not drained is moved. Only for the sender.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Refused::Full`].
    pub fn flush(&self) -> Result<(), Refused> {
        let mut rest = self.lock();
        self.spill(&mut rest)
    }

    /// Accepts a record behind those in the memory, which it empties. Only for the sender, which then
    /// asks [`takes_wake`](Self::takes_wake). The length has to be of whole units.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Refused::Full`].
    pub fn append(&self, pieces: &[&[u8]]) -> Result<(), Refused> {
        self.append_with(pieces, 0)
    }

    /// As [`append`](Self::append), for a record with values that the sender passes by another way.
    /// Until it is drained, the `elsewhere` bytes that they take count as those of the record.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Refused::Full`].
    pub fn append_with(&self, pieces: &[&[u8]], elsewhere: usize) -> Result<(), Refused> {
        let mut rest = self.lock();
        self.spill(&mut rest)?;
        rest.elsewhere = rest.elsewhere.saturating_add(elsewhere);
        for piece in pieces {
            rest.spilled.extend_from_slice(piece);
        }
        let padding = rest.spilled.len().next_multiple_of(UNIT_BYTES);
        rest.spilled.resize(padding, 0);
        rest.spilled_records += 1;
        rest.accepted += 1;
        self.has_spilled.store(1, Ordering::Release);
        Ok(())
    }

    /// Whether the sender, which has just accepted a record, has to wake the loop. True once after a
    /// drain.
    #[must_use]
    pub fn takes_wake(&self) -> bool {
        self.memory[ARMED].load(Ordering::SeqCst) == 1
            && self.memory[ARMED].swap(0, Ordering::SeqCst) == 1
    }

    /// Appends the records that were accepted and not drained to `records`. The next post wakes the
    /// loop. Only for the loop.
    pub fn drain(&self, records: &mut Vec<u8>) {
        let mut rest = self.lock();
        // Armed first: a post whose record this does not find sees it.
        self.arm();
        self.take(&mut rest, records);
    }

    /// Whether there is nothing to drain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let rest = self.lock();
        let state = self.state() & !CLOSED;
        rest.spilled.is_empty() && state == rest.taken
    }

    /// Whether there is probably something to drain, by loads alone: takes no lock, and no cache line
    /// from the sender. For the loop while it looks for posts; [`is_empty`](Self::is_empty) is exact.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let state = self.memory[STATE].load(Ordering::Acquire) & !CLOSED;
        state != self.seen.load(Ordering::Relaxed) || self.has_spilled.load(Ordering::Acquire) == 1
    }

    /// The next posts do not wake the loop, which looks at [`has_news`](Self::has_news) until it
    /// [arms](Self::arm) the lane. Whether it was armed: if not, a wake-up is outstanding. Only for
    /// the loop.
    #[must_use]
    pub fn disarm(&self) -> bool {
        self.memory[ARMED].swap(0, Ordering::SeqCst) == 1
    }

    /// The next post wakes the loop. One that came before is found by [`is_empty`](Self::is_empty).
    /// Only for the loop.
    pub fn arm(&self) {
        self.memory[ARMED].store(1, Ordering::SeqCst);
    }

    /// Refuses posts from now on. Appends what was accepted before, and not drained. Only for the
    /// loop.
    pub fn close(&self, records: &mut Vec<u8>) {
        let mut rest = self.lock();
        self.memory[STATE].fetch_or(CLOSED, Ordering::SeqCst);
        self.take(&mut rest, records);
    }

    /// A lane with the posts that this one has, and without memory for more: its sender has ended. This
    /// lane has none left, and the loop must not have drained any.
    #[must_use]
    pub fn retire(&self) -> Self {
        let mut rest = self.lock();
        let state = self.state() & !CLOSED;
        let mut records = std::mem::take(&mut rest.spilled);
        let moved = std::mem::take(&mut rest.spilled_records);
        let records_count = moved + self.copy(&mut rest, state, &mut records);
        records.shrink_to_fit();
        let retired = Self::new(0, self.spill_bytes);
        retired.memory[REFUSED].store(self.refused(), Ordering::Relaxed);
        retired
            .has_spilled
            .store(u32::from(!records.is_empty()), Ordering::Release);
        *retired.lock() = Rest {
            spilled: records,
            spilled_records: records_count,
            elsewhere: rest.elsewhere,
            taken: 0,
            accepted: rest.accepted,
        };
        retired
    }

    /// Records that were accepted since the lane was made.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        let rest = self.lock();
        let state = self.state() & !CLOSED;
        rest.accepted + u64::from((state >> UNIT_BITS) - (rest.taken >> UNIT_BITS))
    }

    /// Records that the loop has drained, wrapping.
    #[must_use]
    pub fn drained(&self) -> u32 {
        self.memory[DRAINED].load(Ordering::SeqCst)
    }

    /// Posts that the sender has refused for lack of room.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.memory[REFUSED].load(Ordering::Relaxed)
    }

    /// Of the sender: no other thread accepts records meanwhile, and a close waits for the lock.
    fn spill(&self, rest: &mut Rest) -> Result<(), Refused> {
        let state = self.state();
        if state & CLOSED != 0 {
            return Err(Refused::Closed);
        }
        if rest.spilled.len().saturating_add(rest.elsewhere) >= self.spill_bytes {
            return Err(Refused::Full);
        }
        let mut spilled = std::mem::take(&mut rest.spilled);
        rest.spilled_records += self.copy(rest, state, &mut spilled);
        if !spilled.is_empty() {
            self.has_spilled.store(1, Ordering::Release);
        }
        rest.spilled = spilled;
        self.set_taken(rest, 0);
        self.memory[STATE].store(0, Ordering::SeqCst);
        Ok(())
    }

    fn take(&self, rest: &mut Rest, records: &mut Vec<u8>) {
        records.append(&mut rest.spilled);
        rest.elsewhere = 0;
        self.has_spilled.store(0, Ordering::Relaxed);
        if rest.spilled.capacity() > KEPT_BYTES {
            rest.spilled = Vec::new();
        }
        let state = self.state() & !CLOSED;
        let drained = std::mem::take(&mut rest.spilled_records) + self.copy(rest, state, records);
        if drained > 0 {
            self.memory[DRAINED].fetch_add(drained, Ordering::SeqCst);
        }
    }

    /// Appends the records of the memory, up to `state`, that were not taken. How many.
    fn copy(&self, rest: &mut Rest, state: u32, records: &mut Vec<u8>) -> u32 {
        let [from, to] = [rest.taken, state].map(|state| UNIT * (state & UNITS) as usize);
        let count = (state >> UNIT_BITS) - (rest.taken >> UNIT_BITS);
        // Relaxed: the load of the state has ordered the writes of the sender before this.
        let words = &self.memory[RECORDS + from..RECORDS + to];
        let start = records.len();
        records.resize(start + 4 * words.len(), 0);
        let (chunks, _) = records[start..].as_chunks_mut();
        for (bytes, word) in chunks.iter_mut().zip(words) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        self.set_taken(rest, state);
        rest.accepted += u64::from(count);
        count
    }

    fn set_taken(&self, rest: &mut Rest, taken: u32) {
        rest.taken = taken;
        self.seen.store(taken, Ordering::Relaxed);
    }

    /// By a write that changes nothing: a swap of the sender comes before it, and is seen, or after
    /// it, and sees what the loop has written before: that the lane is armed.
    fn state(&self) -> u32 {
        self.memory[STATE].fetch_or(0, Ordering::SeqCst)
    }

    /// Ignores poisoning: no function here panics halfway.
    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
