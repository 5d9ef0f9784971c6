//! The wheel: levels of slots for what lies ahead, a sorted front for the present.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use super::key::{Item, LookUp, Table, Timer, TimerId};
use super::level::{KEPT_CAPACITY, LEVELS, Level, Place, SLOT_BITS, mostly_dead, recycled};

/// Pending timers by id and deadline, fired in exact (deadline, insertion) order.
///
/// Deadlines are ticks: nanoseconds on a scale of the caller's choosing, any `u64`. Arming and
/// cancelling take amortised constant time whatever the deadline; so does firing, apart from sorting
/// the timers that share a slot of about a millisecond.
///
/// ```
/// use ioloop::timer::{TimerId, Wheel};
///
/// let mut wheel = Wheel::new();
/// wheel.arm(TimerId(0), 5_000_000);
/// wheel.arm(TimerId(1), 2_000_000);
/// assert_eq!(wheel.next_wake(), Some(2_000_000));
///
/// let mut due = Vec::new();
/// wheel.expire(5_000_000, usize::MAX, &mut due);
/// assert_eq!(due, [TimerId(1), TimerId(0)]);
/// ```
pub struct Wheel {
    table: Table,
    levels: Box<[Level; LEVELS]>,
    front: Front,
    /// The level-0 slot that the front stands for, as a number of slots since tick 0. What is due in
    /// it or before is in the front, everything else is in a level.
    cursor: u64,
}

impl Wheel {
    /// An empty wheel that stands at tick 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: Table::default(),
            levels: Box::new(std::array::from_fn(|_| Level::new())),
            front: Front::default(),
            cursor: 0,
        }
    }

    /// Arms the timer `id` for `deadline`, which may be past: then it is due at once.
    ///
    /// An id that is armed already is armed anew, and counts as inserted now. Memory grows to 16 bytes
    /// times the largest id: see [`TimerId`]. An id above [`TimerId::MAX`] is not armed.
    pub fn arm(&mut self, id: TimerId, deadline: u64) {
        if id > TimerId::MAX {
            return;
        }
        self.unlink(id);
        let timer = self.table.arm(id, deadline);
        match Place::of(deadline, self.cursor) {
            Some(place) => self.levels[place.level].push(place.slot, timer.item()),
            None => self.front.insert(timer),
        }
    }

    /// Cancels the timer `id`. Whether it was armed: a timer that fired is not.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let was_armed = self.unlink(id);
        self.give_back();
        was_armed
    }

    fn unlink(&mut self, id: TimerId) -> bool {
        let Some(timer) = self.table.remove(id) else {
            return false;
        };
        match Place::of(timer.deadline, self.cursor) {
            Some(place) => {
                self.levels[place.level].cancel(place.slot, timer.item(), &self.table);
            }
            None => self.front.cancel(timer, &self.table),
        }
        true
    }

    /// Fires timers whose deadline is at or before `now`: cancels them and appends their ids to `due`,
    /// at most `budget` of them, in order of (deadline, insertion).
    ///
    /// What exceeds the budget stays due for the next call, in order with whatever became due
    /// meanwhile. `now` should not go backwards; if it does, nothing is lost and nothing fires early.
    /// A jump of years costs no more than the timers in between.
    pub fn expire(&mut self, now: u64, budget: usize, due: &mut Vec<TimerId>) {
        let before = due.len();
        let limit = before.saturating_add(budget);
        self.refill(now);
        while self.front.fire(now, limit, &mut self.table, due) {
            // Also when the budget is spent: `next_wake` then has its answer in the front.
            self.refill(now);
        }
        if due.len() > before {
            self.give_back();
        }
    }

    /// Frees the memory of many timers, once the last of them is gone. Dead items, which refer to
    /// the table, go with it.
    #[inline]
    fn give_back(&mut self) {
        if self.table.is_idle() {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        *self.levels = std::array::from_fn(|_| Level::new());
        self.front = Front::default();
        self.table.shrink();
    }

    /// The tick at which [`Wheel::expire`] is next worth calling; `None` if no timer is pending.
    ///
    /// Never later than the earliest deadline. Exact when that is near (its slot of a millisecond was
    /// reached) or in a slot of few timers; otherwise the start of its slot, where `expire` fires
    /// nothing but brings the answer closer: at most once for each of the eight levels.
    #[must_use]
    pub fn next_wake(&self) -> Option<u64> {
        if let Some(deadline) = self.front.next_deadline() {
            return Some(deadline);
        }
        let first = self.first_slot()?;
        let start = first.start_tick();
        if self.items(&first).len() > SCAN_LIMIT {
            return Some(start);
        }
        Some(self.deadlines(&first).min().unwrap_or(start))
    }

    /// How many timers are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no timer is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap the wheel holds now: 16 for each id, 8 to 16 for each pending timer, and about
    /// 16 KiB of slots. Counts every slot, so it is for metrics and not for every turn.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.levels)
            + self.levels.iter().map(Level::heap_bytes).sum::<usize>()
            + self.table.heap_bytes()
            + self.front.heap_bytes()
    }

    /// Moves the cursor towards `now`, until the front holds a timer or the present is reached.
    fn refill(&mut self, now: u64) {
        let target = now >> SLOT_BITS;
        while self.front.is_empty() && self.cursor < target {
            match self.first_slot() {
                Some(first) if first.start <= target => self.enter(&first),
                _ => self.cursor = target,
            }
        }
    }

    /// Moves the cursor to the first slot and empties that: into the front, or one level down and more.
    fn enter(&mut self, first: &FirstSlot) {
        self.cursor = first.start;
        let Place { level, slot } = first.place;
        let mut items = self.levels[level].take(slot);
        if level > 0 {
            self.cascade(first, &mut items);
        }
        self.front.load(&mut items, self.cursor, &self.table);
        self.levels[level].recycle(slot, items);
    }

    /// Re-places the live timers among `items`; those of the slot at the cursor remain in `items`.
    fn cascade(&mut self, first: &FirstSlot, items: &mut Vec<Item>) {
        let mut present = 0;
        for start in (0..items.len()).step_by(BATCH) {
            let end = items.len().min(start + BATCH);
            let mut batch = [LookUp::default(); BATCH];
            for (found, item) in batch.iter_mut().zip(&items[start..end]) {
                *found = self.table.look_up(*item);
            }
            for (index, found) in (start..end).zip(batch) {
                if !found.live || !first.contains(found.deadline) {
                    continue;
                }
                let item = items[index];
                if let Some(place) = Place::of(found.deadline, self.cursor) {
                    self.levels[place.level].push(place.slot, item);
                } else {
                    items[present] = item;
                    present += 1;
                }
            }
        }
        items.truncate(present);
    }

    /// The slot that holds the earliest deadline outside the front.
    fn first_slot(&self) -> Option<FirstSlot> {
        self.levels.iter().enumerate().find_map(|(level, slots)| {
            let place = Place {
                level,
                slot: slots.first()?,
            };
            Some(FirstSlot {
                place,
                start: place.start(self.cursor),
            })
        })
    }

    fn items(&self, slot: &FirstSlot) -> &[Item] {
        self.levels[slot.place.level].items(slot.place.slot)
    }

    fn deadlines(&self, slot: &FirstSlot) -> impl Iterator<Item = u64> {
        let live = self
            .items(slot)
            .iter()
            .filter_map(|item| self.table.deadline(*item));
        live.filter(|deadline| slot.contains(*deadline))
    }
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Wheel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Wheel")
            .field("len", &self.len())
            .field("next_wake", &self.next_wake())
            .finish_non_exhaustive()
    }
}

/// The first occupied slot of the lowest occupied level.
struct FirstSlot {
    place: Place,
    /// Its first level-0 slot number.
    start: u64,
}

impl FirstSlot {
    fn start_tick(&self) -> u64 {
        self.start << SLOT_BITS
    }

    fn contains(&self, deadline: u64) -> bool {
        self.place.contains(self.start, deadline)
    }
}

/// What is due in the slot at the cursor or before it, in exact order.
///
/// The *run* is what the slot brought, sorted once. *Late* timers were armed into it afterwards. The
/// run is complete before the first of the late is armed, so at equal deadlines the run goes first.
/// Between calls the next timer of each is live: [`Front::trim`].
#[derive(Default)]
struct Front {
    /// In order of insertion.
    run: Vec<Item>,
    /// Offset of the deadline in the slot, above the index in `run`: sorts by (deadline, insertion)
    /// as plain integers. Ends at the next to fire.
    keys: Vec<u64>,
    /// The first tick of the slot that the run was.
    run_start: u64,
    /// The last insertion that can be in the run.
    run_order: u64,
    late: BinaryHeap<Reverse<Timer>>,
    late_dead: usize,
}

impl Front {
    /// Adds a late timer: O(log n).
    fn insert(&mut self, timer: Timer) {
        self.late.push(Reverse(timer));
    }

    /// Takes a slot's items as the run, and leaves the vector of the run before. The front must be
    /// empty; `items` may be, too, or be all stale.
    fn load(&mut self, items: &mut Vec<Item>, cursor: u64, table: &Table) {
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
        self.keys.sort_unstable_by_key(|key| Reverse(*key));
    }

    /// Removes a timer that `table` no longer holds.
    fn cancel(&mut self, timer: Timer, table: &Table) {
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

    /// Fires what is due at `now` until `due` has `limit` ids. Whether that emptied the front.
    fn fire(&mut self, now: u64, limit: usize, table: &mut Table, due: &mut Vec<TimerId>) -> bool {
        if self.is_empty() {
            return false;
        }
        while due.len() < limit && self.next_deadline().is_some_and(|deadline| deadline <= now) {
            due.extend(self.pop(table));
            self.trim(table);
        }
        self.is_empty()
    }

    /// Ends the next timer, which is live.
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

    /// Drops dead timers from where the next is looked for, and the memory of a run that is over.
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

    fn next_deadline(&self) -> Option<u64> {
        let run = self.run_head().map(|(deadline, _)| deadline);
        let late = self.late.peek().map(|Reverse(late)| late.deadline);
        run.into_iter().chain(late).min()
    }

    fn run_head(&self) -> Option<(u64, Item)> {
        let key = *self.keys.last()?;
        let index = usize::try_from(key & INDEX_MASK).expect("an index that was a usize");
        Some((self.run_start | key >> INDEX_BITS, self.run[index]))
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.late.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        self.run.capacity() * size_of::<Item>()
            + self.keys.capacity() * size_of::<u64>()
            + self.late.capacity() * size_of::<Timer>()
    }
}

/// A slot holds fewer than 2^32 items and an offset takes 20 bits, so both fit a `u64`. Items dead by
/// re-arming an id count too, but a slot is compacted before they are more than the live ones.
const INDEX_BITS: u32 = 32;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// How many timers a cascade looks up before it moves them: see [`Table::look_up`].
const BATCH: usize = 64;
/// [`Wheel::next_wake`] looks through a slot of up to so many items.
const SCAN_LIMIT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    fn expired(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.expire(now, usize::MAX, &mut due);
        due.into_iter().map(|id| id.0).collect()
    }

    /// Arms timer 0, makes its item stale, and arms it again when generations have come round.
    fn wrapped(first: u64, again: u64) -> Wheel {
        let mut wheel = Wheel::new();
        wheel.arm(TimerId(0), first);
        for id in 1..20 {
            wheel.arm(TimerId(id), first);
        }
        assert!(wheel.cancel(TimerId(0)));
        wheel.table.skip_orders((1 << 32) - 20);
        wheel.arm(TimerId(0), again);
        wheel
    }

    #[test]
    fn a_stale_item_come_alive_by_wrap_around_fires_at_the_deadline_of_the_table() {
        for (first, again) in [(50, 9_000), (9_000, 50), (9_000, 0), (50, 60), (50, 50)] {
            let (first, again) = (first * MILLISECOND, again * MILLISECOND);
            let mut wheel = wrapped(first, again);
            assert!(
                wheel
                    .next_wake()
                    .is_some_and(|wake| wake <= first.min(again))
            );
            let early = expired(&mut wheel, first.min(again) - 1.min(again));
            assert_eq!(early.len(), usize::from(again == 0));
            let mut all = expired(&mut wheel, first.max(again));
            all.extend(early);
            all.sort_unstable();
            assert_eq!(all, (0..20).collect::<Vec<_>>(), "{first} {again}");
            assert_eq!(wheel.next_wake(), None);
        }
    }

    #[test]
    fn a_stale_item_come_alive_by_wrap_around_is_cancelled_once() {
        for (first, again) in [(50, 9_000), (9_000, 50), (50, 50)] {
            let mut wheel = wrapped(first * MILLISECOND, again * MILLISECOND);
            for id in 0..20 {
                assert!(wheel.cancel(TimerId(id)));
            }
            assert_eq!(expired(&mut wheel, u64::MAX), []);
            assert_eq!(wheel.next_wake(), None);
        }
    }
}
