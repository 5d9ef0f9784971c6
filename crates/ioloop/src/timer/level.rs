//! One level of the wheel: 64 slots and a bitmap of those that hold timers.

use super::key::{Item, Table};

/// The level and slot of a deadline, relative to the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) level: usize,
    pub(super) slot: usize,
}

impl Place {
    /// The place of `deadline` with the wheel at `cursor`, a level-0 slot number; `None` if the
    /// deadline is in the slot at the cursor or before it.
    ///
    /// Read a slot number as digits of six bits. The level is the highest digit in which deadline and
    /// cursor differ. A place therefore depends on deadline and cursor alone: the cursor stops at
    /// every slot that holds timers, and no other step changes the highest differing digit of a
    /// pending deadline.
    pub(super) fn of(deadline: u64, cursor: u64) -> Option<Self> {
        let number = deadline >> SLOT_BITS;
        if number <= cursor {
            return None;
        }
        let level = (number ^ cursor).ilog2() / LEVEL_BITS;
        Some(Self {
            level: level as usize,
            slot: digit(number, level),
        })
    }

    /// The first level-0 slot number of this place.
    pub(super) fn start(self, cursor: u64) -> u64 {
        let shift = self.shift();
        let above = cursor >> shift >> LEVEL_BITS << LEVEL_BITS;
        (above | self.slot as u64) << shift
    }

    /// Whether `deadline` belongs to the place that starts at slot number `start`.
    pub(super) fn contains(self, start: u64, deadline: u64) -> bool {
        (deadline >> SLOT_BITS >> self.shift()) == start >> self.shift()
    }

    fn shift(self) -> u32 {
        LEVEL_BITS * u32::try_from(self.level).expect("there are eight levels")
    }
}

/// 64 slots of equal width. All of them lie ahead of the cursor, so slot order is time order.
pub(super) struct Level {
    /// Bit n is set if slot n holds a timer, so `trailing_zeros` is the first such slot.
    occupied: u64,
    slots: [Slot; SLOTS],
}

impl Level {
    pub(super) fn new() -> Self {
        Self {
            occupied: 0,
            slots: std::array::from_fn(|_| Slot::default()),
        }
    }

    /// Appends an item: slots are in order of insertion. A cascade keeps the order, since it moves
    /// timers in order, and into slots that were out of reach before.
    pub(super) fn push(&mut self, slot: usize, item: Item) {
        self.slots[slot].items.push(item);
        self.occupied |= 1 << slot;
    }

    /// Cancels a timer that was removed from `table`. Amortised O(1).
    pub(super) fn cancel(&mut self, slot: usize, item: Item, table: &Table) {
        self.slots[slot].cancel(item, table);
        if self.slots[slot].is_empty() {
            let items = self.take(slot);
            self.recycle(slot, items);
        }
    }

    /// Takes all items of a slot.
    pub(super) fn take(&mut self, slot: usize) -> Vec<Item> {
        self.occupied &= !(1 << slot);
        std::mem::take(&mut self.slots[slot]).items
    }

    /// Clears `items` and reuses the vector for an empty slot. Frees it if it is large.
    pub(super) fn recycle(&mut self, slot: usize, items: Vec<Item>) {
        debug_assert!(
            self.slots[slot].items.is_empty(),
            "slot {slot} holds timers"
        );
        self.slots[slot].items = recycled(items);
    }

    /// The first slot that holds timers.
    pub(super) fn first(&self) -> Option<usize> {
        (self.occupied != 0).then(|| self.occupied.trailing_zeros() as usize)
    }

    /// The items of a slot, dead ones among them, in order of insertion.
    pub(super) fn items(&self, slot: usize) -> &[Item] {
        &self.slots[slot].items
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let items: usize = self.slots.iter().map(|slot| slot.items.capacity()).sum();
        items * size_of::<Item>()
    }
}

/// The vector, cleared for reuse; a new one if its capacity is large.
pub(super) fn recycled<T>(mut vector: Vec<T>) -> Vec<T> {
    if vector.capacity() > KEPT_CAPACITY {
        return Vec::new();
    }
    vector.clear();
    vector
}

/// Whether to compact a container of `len` items with `dead` of them dead. A compaction removes more
/// than half, so its cost is amortised over the cancellations since the last.
pub(super) fn mostly_dead(dead: usize, len: usize) -> bool {
    len > COMPACT_FLOOR && dead * 2 > len
}

#[derive(Default)]
struct Slot {
    items: Vec<Item>,
    dead: usize,
}

impl Slot {
    fn cancel(&mut self, item: Item, table: &Table) {
        if self.items.last() != Some(&item) {
            self.dead += 1;
            if mostly_dead(self.dead, self.items.len()) {
                self.compact(table);
            }
            return;
        }
        self.items.pop();
        // Dead items below it are removed too, so nested arming and cancelling leaves nothing.
        while self.dead > 0
            && self
                .items
                .pop_if(|last| table.deadline(*last).is_none())
                .is_some()
        {
            self.dead -= 1;
        }
        self.give_back();
    }

    /// Removes the dead items. Without a branch on liveness, which would be unpredictable: about half
    /// of the items are dead.
    fn compact(&mut self, table: &Table) {
        let mut live = 0;
        for index in 0..self.items.len() {
            let item = self.items[index];
            self.items[live] = item;
            live += usize::from(table.look_up(item).live);
        }
        self.items.truncate(live);
        self.dead = 0;
        self.give_back();
    }

    /// Frees memory once an eighth is in use. Amortised: the next call that copies is at least as
    /// many cancellations away.
    fn give_back(&mut self) {
        let capacity = self.items.capacity();
        if capacity > KEPT_CAPACITY && self.items.len() < capacity / 8 {
            self.items.shrink_to(self.items.len() * 2);
        }
    }

    fn is_empty(&self) -> bool {
        self.items.len() == self.dead
    }
}

#[expect(clippy::cast_possible_truncation, reason = "masked to six bits")]
fn digit(number: u64, level: u32) -> usize {
    (number >> (level * LEVEL_BITS)) as usize & (SLOTS - 1)
}

/// A level-0 slot is 2^20 ticks, 1.05 ms: about the precision of the wake-ups.
pub(super) const SLOT_BITS: u32 = 20;
/// 64 slots a level: the bitmap is one word.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
/// Enough levels for every `u64`.
pub(super) const LEVELS: usize = (u64::BITS - SLOT_BITS).div_ceil(LEVEL_BITS) as usize;
/// Containers up to this size are not compacted.
const COMPACT_FLOOR: usize = 16;
/// Capacity that an empty vector keeps, in items: 2 KiB a slot, at most 1 MiB a wheel.
pub(super) const KEPT_CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_slot_and_the_past_have_no_place() {
        let cursor = 1_000;
        assert_eq!(Place::of(0, cursor), None);
        assert_eq!(Place::of((1_000 << SLOT_BITS) | 0xf_ffff, cursor), None);
        assert_eq!(
            Place::of(1_001 << SLOT_BITS, cursor),
            Some(Place {
                level: 0,
                slot: 1_001 % 64
            })
        );
    }

    #[test]
    fn the_last_tick_has_a_place_on_the_last_level() {
        assert_eq!(
            Place::of(u64::MAX, 0),
            Some(Place {
                level: LEVELS - 1,
                slot: 3
            })
        );
    }

    #[test]
    fn a_place_starts_at_or_before_its_deadlines_and_after_the_cursor() {
        for cursor in [0, 1, 63, 64, 4_095, 123_456_789, (1 << 43) - 1] {
            for bit in 0..44 {
                let number = cursor + (1 << bit);
                let deadline = number << SLOT_BITS;
                let place = Place::of(deadline, cursor).expect("it lies ahead");
                let start = place.start(cursor);
                assert!(
                    cursor < start && start <= number,
                    "{cursor} {start} {number}"
                );
                assert!(
                    place.contains(start, deadline),
                    "{place:?} {start} {deadline}"
                );
            }
        }
    }
}
