//! Timer ids, and the table of all timers.

/// The name of a timer: a number chosen by the caller, free again once the timer has fired or was
/// cancelled.
///
/// Ids should be **dense** (0, 1, 2 …, reused): the wheel keeps 16 bytes for every number up to the
/// largest one armed since it was last empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u32);

impl TimerId {
    /// The largest id that a wheel accepts. The table is then a gibibyte.
    pub const MAX: Self = Self((1 << 26) - 1);
}

/// An armed timer. The order of the fields is the order of firing: by deadline, then insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) deadline: u64,
    /// Position in the sequence of all insertions, from 1. Does not wrap: 2^64 insertions of one
    /// nanosecond take 584 years.
    pub(super) order: u64,
    pub(super) id: TimerId,
}

impl Timer {
    pub(super) fn item(self) -> Item {
        Item {
            id: self.id,
            generation: generation(self.order),
        }
    }
}

/// A timer as stored in a slot. Stale if [`Table::deadline`] is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: TimerId,
    generation: u32,
}

/// The result of looking up an item. The deadline belongs to the item's timer only if it is live.
#[derive(Clone, Copy, Default)]
pub(super) struct LookUp {
    pub(super) live: bool,
    pub(super) deadline: u64,
}

/// All timers, indexed by id. Authoritative: slots may hold stale items.
///
/// An item is live if its generation, the low half of the insertion order, equals that of the table.
/// A stale item looks live again if its id is armed a multiple of 2^32 insertions later. That is
/// harmless: an item is ignored unless it is in the place of the table's deadline, and a timer fires
/// only by [`Table::remove`], which succeeds once.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    last_order: u64,
    armed: usize,
}

impl Table {
    /// Adds a timer, which must not be armed. Grows to hold its id.
    pub(super) fn arm(&mut self, id: TimerId, deadline: u64) -> Timer {
        let index = id.0 as usize;
        if index >= self.entries.len() {
            self.entries.resize(
                index + 1,
                Entry {
                    deadline: 0,
                    order: VACANT,
                },
            );
        }
        debug_assert!(self.entries[index].order == VACANT, "{id:?} is armed");
        self.last_order += 1;
        self.armed += 1;
        self.entries[index] = Entry {
            deadline,
            order: self.last_order,
        };
        Timer {
            deadline,
            order: self.last_order,
            id,
        }
    }

    /// Removes a timer that fires or is cancelled; `None` if it is not armed.
    pub(super) fn remove(&mut self, id: TimerId) -> Option<Timer> {
        let entry = self.entries.get_mut(id.0 as usize)?;
        let Entry { deadline, order } = *entry;
        if order == VACANT {
            return None;
        }
        entry.order = VACANT;
        self.armed -= 1;
        Some(Timer {
            deadline,
            order,
            id,
        })
    }

    /// The deadline of an item; `None` if the item is stale.
    pub(super) fn deadline(&self, item: Item) -> Option<u64> {
        let found = self.look_up(item);
        found.live.then_some(found.deadline)
    }

    /// The same without a branch. In a large table each look-up is a cache miss, and a loop of
    /// look-ups alone overlaps many of them. This took firing 10^6 timers spread over a minute from
    /// about 180 ns each to 60–90 (`benches/wheel.rs`, a virtual machine with 160 ns a miss).
    #[inline]
    pub(super) fn look_up(&self, item: Item) -> LookUp {
        let Entry { deadline, order } = self.entries[item.id.0 as usize];
        let live = (order != VACANT) & (generation(order) == item.generation);
        LookUp { live, deadline }
    }

    /// Whether `timer` is still armed by the same insertion.
    pub(super) fn holds(&self, timer: Timer) -> bool {
        self.entries[timer.id.0 as usize].order == timer.order
    }

    /// The order of the newest insertion, 0 before the first.
    pub(super) fn last_order(&self) -> u64 {
        self.last_order
    }

    pub(super) fn len(&self) -> usize {
        self.armed
    }

    /// Whether it has no timers, and memory that is worth freeing.
    pub(super) fn is_idle(&self) -> bool {
        self.armed == 0 && self.entries.len() > KEPT_ENTRIES
    }

    /// Frees its memory. No items may be left.
    pub(super) fn shrink(&mut self) {
        debug_assert!(self.armed == 0, "{} timers are armed", self.armed);
        self.entries = Vec::new();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// For tests: moves close to the reuse of a generation.
    #[cfg(test)]
    pub(super) fn skip_orders(&mut self, count: u64) {
        self.last_order += count;
    }
}

#[derive(Clone, Copy)]
struct Entry {
    deadline: u64,
    order: u64,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is the generation"
)]
fn generation(order: u64) -> u32 {
    order as u32
}

const VACANT: u64 = 0;

/// Entries that an empty table keeps: 64 KiB.
const KEPT_ENTRIES: usize = 4096;
