/** When timeouts run: never early, once, and by the clock of the loop. */
import test from 'ava';
import { asleep, countTurns, runTurns, start, withFakeTime, withLoop } from './helpers/loop.js';

const DAY = 86_400;

test('a timeout in 400 days runs after 400 days, and not before', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callLater(400 * DAY, () => {
      ran += 1;
    });
    for (const now of [1, 24.8 * DAY, 24.9 * DAY, 49.8 * DAY, 400 * DAY - 0.001]) {
      clock.now = now;
      await runTurns(loop);
      t.is(ran, 0, `after ${now} s`);
    }
    clock.now = 400 * DAY;
    await runTurns(loop);
    t.is(ran, 1);
  }));

test('delays that Node would run at once are kept: 2^31 ms, 2^32 ms, 400 days', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    for (const delay of [2 ** 31 / 1e3, 2 ** 32 / 1e3, 400 * DAY, 1e9, 1e15, Number.MAX_VALUE]) {
      loop.callLater(delay, () => {
        ran += 1;
      });
    }
    // Awake, and asleep until the short one.
    await runTurns(loop, 3);
    await start(loop, () => {
      loop.callLater(0.005, () => {
        loop.stop();
      });
    });
    t.is(ran, 0);
  }));

test('a timeout at Infinity never runs, and one at -Infinity runs in the next turn, first', (t) =>
  withFakeTime(async (loop, clock) => {
    const seen: string[] = [];
    const log = (name: string): number => seen.push(name);
    const never = [
      loop.callAt(Infinity, log, 'never'),
      loop.callLater(Infinity, log, 'never'),
      loop.addTimeout(Infinity, log, 'never'),
    ];
    loop.callAt(-1e6, log, 'long ago');
    loop.callAt(-Infinity, log, 'first');
    loop.callLater(-Infinity, log, 'second');
    clock.now = 1e12;
    await runTurns(loop, 2);
    t.deepEqual(seen, ['first', 'second', 'long ago']);
    for (const timeout of never) loop.removeTimeout(timeout);
  }));

test('no timeout runs early by the clock of the loop', (t) =>
  withLoop(async (loop) => {
    const count = 300;
    let left = count;
    const early: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const deadline = loop.time() + (at * 0.0317) / count;
      loop.callAt(deadline, () => {
        const remaining = deadline - loop.time();
        if (remaining > 0) early.push(remaining);
        left -= 1;
        if (left === 0) loop.stop();
      });
    }
    await loop.start();
    t.deepEqual(early, []);
  }));

test('a loop that sleeps is woken for an earlier timeout that is added meanwhile', (t) =>
  withLoop(async (loop) => {
    let late = 0;
    loop.callLater(3600, () => (late += 1));
    const running = loop.start();
    await asleep(loop);
    loop.callLater(0.001, () => {
      loop.stop();
    });
    await running;
    t.is(late, 0);
  }));

test('a past deadline runs in the next turn, never at once', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    await start(loop, () => {
      let added = false;
      loop.callLater(-5, () => {
        t.true(added);
        t.is(counter.turn, 2);
        loop.stop();
      });
      added = true;
    });
    t.plan(2);
  }));

test('a timeout runs once', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callAt(1, () => {
      ran += 1;
    });
    for (const now of [1, 2, 1000]) {
      clock.now = now;
      await runTurns(loop, 2);
    }
    t.is(ran, 1);
  }));

test('timeouts of a stopped loop wait for the next start', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callAt(1, () => {
      ran += 1;
    });
    await runTurns(loop);
    clock.now = 2;
    t.is(ran, 0);
    await runTurns(loop);
    t.is(ran, 1);
  }));

test('time() is on the scale of Date.now(), in seconds, and never goes back', (t) =>
  withLoop((loop) => {
    t.true(Math.abs(loop.time() - Date.now() / 1e3) < 60);
    let last = loop.time();
    for (let at = 0; at < 10_000; at += 1) {
      const now = loop.time();
      if (now < last) t.fail();
      last = now;
    }
  }));

test('time() and all deadlines follow timeFunc, whatever its reference point', async (t) => {
  for (const origin of [-1000, 0, 1.8e9, 1e12]) {
    await withFakeTime(async (loop, clock) => {
      t.is(loop.time(), origin);
      let ran = 0;
      loop.callLater(10, () => {
        ran += 1;
      });
      clock.advance(9);
      await runTurns(loop);
      t.is(ran, 0, `at ${origin}`);
      clock.advance(1);
      t.is(loop.time(), origin + 10);
      await runTurns(loop);
      t.is(ran, 1, `at ${origin}`);
    }, origin);
  }
});
