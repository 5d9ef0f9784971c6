//! The wheel: levels of slots for the future, a sorted front for the present.

use std::fmt;

use super::front::Front;
use super::key::{Item, LookUp, Table, TimerId};
use super::level::{LEVELS, Level, Place, SLOT_BITS};

/// Pending timers by id and deadline. They fire in exact order of (deadline, insertion).
///
/// Deadlines are ticks: nanoseconds on the caller's scale, any `u64`. Arming and cancelling take
/// amortised constant time for any deadline. So does firing, except for sorting the timers of a slot
/// of about a millisecond.
///
/// # Examples
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
    /// The level-0 slot of the front, as a number of slots since tick 0. Timers of this slot and of
    /// those before are in the front, all others in a level.
    cursor: u64,
    /// See [`Wheel::lateness`].
    lateness: u64,
}

impl Wheel {
    /// An empty wheel at tick 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: Table::default(),
            levels: Box::new(std::array::from_fn(|_| Level::new())),
            front: Front::default(),
            cursor: 0,
            lateness: 0,
        }
    }

    /// Arms the timer `id` for `deadline`. A past deadline is due at once. An armed timer is moved,
    /// and counts as inserted now. Ignores ids above [`TimerId::MAX`]; memory grows with the largest
    /// id ([`TimerId`]).
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

    /// Cancels the timer `id`. True if it was armed; a timer that has fired is not.
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

    /// Fires the timers with a deadline of at most `now`: removes them and appends their ids to `due`,
    /// at most `budget`.
    ///
    /// `now` may go backwards: no timer fires early or is lost. A jump of years costs no more than
    /// the timers in between.
    ///
    /// # Ordering
    ///
    /// By (deadline, insertion), also across calls: timers beyond the budget fire in a later call, in
    /// order with those that became due meanwhile.
    pub fn expire(&mut self, now: u64, budget: usize, due: &mut Vec<TimerId>) {
        let before = due.len();
        let limit = before.saturating_add(budget);
        self.refill(now);
        // A timer that is due is in the front by now.
        let earliest = self.front.next_deadline();
        self.lateness = earliest.map_or(0, |deadline| now.saturating_sub(deadline));
        while self.front.fire(now, limit, &mut self.table, due) {
            // Also when the budget is spent: `next_wake` then has its answer in the front.
            self.refill(now);
        }
        if due.len() > before {
            self.give_back();
        }
    }

    /// How long after its deadline the last [`expire`](Self::expire) fired its first timer, the latest
    /// of them, in ticks; 0 if it fired none.
    #[must_use]
    pub fn lateness(&self) -> u64 {
        self.lateness
    }

    /// Frees the memory of many timers once none is left. Dead items refer to the table, so they are
    /// freed with it.
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

    /// The tick of the next call of [`Wheel::expire`]; `None` if no timer is pending.
    ///
    /// Never later than the earliest deadline. Equal to it if its slot was reached, or has few
    /// timers. Otherwise the start of its slot: `expire` then fires nothing and moves the timers a
    /// level down, at most once per level.
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

    /// The number of pending timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no pending timers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The heap memory of the wheel in bytes: 16 per id, 8 to 16 per pending timer, and about 16 KiB
    /// of slots. Visits every slot: for metrics and tests, not for every turn.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.levels)
            + self.levels.iter().map(Level::heap_bytes).sum::<usize>()
            + self.table.heap_bytes()
            + self.front.heap_bytes()
    }

    /// Moves the cursor towards `now`, until the front holds a timer or `now` is reached.
    fn refill(&mut self, now: u64) {
        let target = now >> SLOT_BITS;
        while self.front.is_empty() && self.cursor < target {
            match self.first_slot() {
                Some(first) if first.start <= target => self.enter(&first),
                _ => self.cursor = target,
            }
        }
    }

    /// Moves the cursor to the first slot, and its timers to the front or to lower levels.
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

    /// Moves the live timers of `items` to lower levels; those of the slot at the cursor remain.
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

    /// The slot of the earliest deadline outside the front.
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

/// Timers that a cascade looks up before it moves them; see [`Table::look_up`].
const BATCH: usize = 64;
/// [`Wheel::next_wake`] scans slots of up to this many items.
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

    /// Arms timer 0, makes its item stale, and arms it again with the same generation.
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
    fn a_stale_item_whose_generation_is_reused_fires_at_the_deadline_of_the_table() {
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
    fn a_stale_item_whose_generation_is_reused_is_cancelled_once() {
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
