//! The present of the wheel: the timers of the slot at the cursor and before it, in exact order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::key::{Item, Table, Timer, TimerId};
use super::level::{KEPT_CAPACITY, SLOT_BITS, mostly_dead, recycled};

/// The timers of the slot at the cursor and before it, by (deadline, insertion).
///
/// The *run* is the contents of the slot, sorted once. *Late* timers were armed afterwards: at equal
/// deadlines the run goes first. Between calls, the next timer of each is live ([`Front::trim`]).
#[derive(Default)]
pub(super) struct Front {
    /// In order of insertion.
    run: Vec<Item>,
    /// High half: offset of the deadline in the slot. Low half: index in `run`. Sorting the integers
    /// sorts by (deadline, insertion). The last is the next to fire.
    keys: Vec<u64>,
    /// The first tick of the run's slot.
    run_start: u64,
    /// The last insertion when the run was loaded.
    run_order: u64,
    late: BinaryHeap<Reverse<Timer>>,
    late_dead: usize,
}

impl Front {
    /// Adds a late timer: O(log n).
    pub(super) fn insert(&mut self, timer: Timer) {
        self.late.push(Reverse(timer));
    }

    /// Takes the items of a slot as the run, and leaves the previous run's vector in `items`. The
    /// front must be empty. `items` may be empty, or all stale.
    pub(super) fn load(&mut self, items: &mut Vec<Item>, cursor: u64, table: &Table) {
        debug_assert!(
            self.is_empty(),
            "{} and {} left",
            self.keys.len(),
            self.late.len()
        );
        self.run_start = cursor << SLOT_BITS;
        self.run_order = table.last_order();
        std::mem::swap(&mut self.run, items);
        items.clear();
        self.keys.resize(self.run.len(), 0);
        let mut live = 0;
        for (item, index) in self.run.iter().zip(0u64..) {
            let found = table.look_up(*item);
            let offset = found.deadline.wrapping_sub(self.run_start);
            self.keys[live] = offset << INDEX_BITS | index;
            live += usize::from(found.live) & usize::from(offset >> SLOT_BITS == 0);
        }
        self.keys.truncate(live);
        sort_last_first(&mut self.keys);
    }

    /// Removes a timer that `table` no longer holds.
    pub(super) fn cancel(&mut self, timer: Timer, table: &Table) {
        if timer.order > self.run_order {
            self.late_dead += 1;
            if mostly_dead(self.late_dead, self.late.len()) {
                self.late.retain(|Reverse(timer)| table.holds(*timer));
                self.late.shrink_to(self.late.len() * 2);
                self.late_dead = 0;
            }
        }
        self.trim(table);
    }

    /// Fires timers that are due at `now`, until `due` has `limit` ids. True if that emptied the front.
    pub(super) fn fire(
        &mut self,
        now: u64,
        limit: usize,
        table: &mut Table,
        due: &mut Vec<TimerId>,
    ) -> bool {
        if self.is_empty() {
            return false;
        }
        if self.late.is_empty() {
            self.fire_run(now, limit, table, due);
        }
        while due.len() < limit && self.next_deadline().is_some_and(|deadline| deadline <= now) {
            due.extend(self.pop(table));
            self.trim(table);
        }
        self.is_empty()
    }

    /// [`fire`](Self::fire) without late timers, as of most bursts: one look-up for each timer.
    fn fire_run(&mut self, now: u64, limit: usize, table: &mut Table, due: &mut Vec<TimerId>) {
        while due.len() < limit
            && let Some((deadline, item)) = self.run_head()
        {
            let live = table.deadline(item) == Some(deadline);
            if live && deadline > now {
                break;
            }
            self.keys.pop();
            if live {
                table.remove(item.id);
                due.push(item.id);
            }
        }
        self.trim(table);
    }

    /// Fires the next timer, which is live.
    fn pop(&mut self, table: &mut Table) -> Option<TimerId> {
        let id = match (self.run_head(), self.late.peek()) {
            (Some((deadline, _)), Some(Reverse(late))) if late.deadline < deadline => {
                self.late.pop()?.0.id
            }
            (Some((_, item)), _) => {
                self.keys.pop();
                item.id
            }
            (None, _) => self.late.pop()?.0.id,
        };
        table.remove(id).map(|timer| timer.id)
    }

    /// Removes dead timers before the next live one, and frees the memory of a finished run.
    fn trim(&mut self, table: &Table) {
        while self
            .run_head()
            .is_some_and(|(deadline, item)| table.deadline(item) != Some(deadline))
        {
            self.keys.pop();
        }
        if self.keys.is_empty() && !self.run.is_empty() {
            self.run = recycled(std::mem::take(&mut self.run));
            self.keys = recycled(std::mem::take(&mut self.keys));
        }
        while self.late_dead > 0
            && self
                .late
                .peek()
                .is_some_and(|Reverse(late)| !table.holds(*late))
        {
            self.late.pop();
            self.late_dead -= 1;
        }
        if self.late.is_empty() && self.late.capacity() > KEPT_CAPACITY {
            self.late = BinaryHeap::new();
        }
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        let run = self.run_head().map(|(deadline, _)| deadline);
        let late = self.late.peek().map(|Reverse(late)| late.deadline);
        run.into_iter().chain(late).min()
    }

    fn run_head(&self) -> Option<(u64, Item)> {
        let key = *self.keys.last()?;
        let index = usize::try_from(key & INDEX_MASK).expect("an index that was a usize");
        Some((self.run_start | key >> INDEX_BITS, self.run[index]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.late.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.run.capacity() * size_of::<Item>()
            + self.keys.capacity() * size_of::<u64>()
            + self.late.capacity() * size_of::<Timer>()
    }
}

/// Sorts keys, which come in the order of their indices, so that the last is the smallest.
///
/// Many are sorted by counting, in two stable passes over the offset: a third of the time of a
/// comparison sort for the 4,000 keys of a slot of a burst.
fn sort_last_first(keys: &mut [u64]) {
    if keys.len() < COUNTING_FLOOR {
        keys.sort_unstable_by_key(|key| Reverse(*key));
        return;
    }
    let mut other = vec![0; keys.len()];
    counting_pass(keys, &mut other, INDEX_BITS);
    counting_pass(&other, keys, INDEX_BITS + DIGIT_BITS);
    keys.reverse();
}

/// Copies `from` to `to` in the order of the digit at `shift`; equal ones keep their order.
#[expect(clippy::cast_possible_truncation, reason = "masked to ten bits")]
fn counting_pass(from: &[u64], to: &mut [u64], shift: u32) {
    let digit = |key: u64| (key >> shift) as usize & (DIGITS - 1);
    let mut places = [0; DIGITS];
    for key in from {
        places[digit(*key)] += 1;
    }
    let mut next = 0;
    for place in &mut places {
        next += std::mem::replace(place, next);
    }
    for key in from {
        let place = &mut places[digit(*key)];
        to[*place] = *key;
        *place += 1;
    }
}

/// Half of the bits of an offset.
const DIGIT_BITS: u32 = SLOT_BITS / 2;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Fewer keys are sorted by comparison: the counts of a pass cost as much.
const COUNTING_FLOOR: usize = 1024;

/// A slot holds fewer than 2^32 items and an offset takes 20 bits, so both fit a `u64`. This includes
/// dead items: compaction keeps them fewer than the live ones.
const INDEX_BITS: u32 = 32;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_keys_are_sorted_as_few_are() {
        let mut state = 1u64;
        for len in [0, 1, 5, COUNTING_FLOOR - 1, COUNTING_FLOOR, 5_000] {
            for range in [1, 7, 1 << SLOT_BITS] {
                let mut keys: Vec<u64> = (0..len as u64)
                    .map(|index| {
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        ((state >> 33) % range) << INDEX_BITS | index
                    })
                    .collect();
                let mut sorted = keys.clone();
                sorted.sort_unstable_by_key(|key| Reverse(*key));
                sort_last_first(&mut keys);
                assert_eq!(keys, sorted);
            }
        }
    }
}
