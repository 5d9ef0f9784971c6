/** `removeTimeout`: at every place of the order, at any time, and of any handle. */
import test from 'ava';
import { type Timeout } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { runTurns, withFakeTime, withLoop } from './helpers/loop.js';

test('a timeout can be cancelled at every place of the order', async (t) => {
  const count = 9;
  for (let victim = 0; victim < count; victim += 1) {
    await withFakeTime(
      async (loop, clock) => {
        const seen: number[] = [];
        const handles = Array.from({ length: count }, (_, at) =>
          loop.callAt(1 + Math.floor(at / 3), () => seen.push(at)),
        );
        loop.removeTimeout(handles[victim] as Timeout);
        clock.now = 10;
        await runTurns(loop);
        t.deepEqual(
          seen,
          handles.map((_, at) => at).filter((at) => at !== victim),
        );
      },
      0,
      MANY_TIMERS,
    );
  }
});

test('a due timeout can be cancelled by a callback and by an earlier timeout of its turn', (t) =>
  withLoop(async (loop) => {
    const seen: string[] = [];
    const log = (name: string): number => seen.push(name);
    const handles: Timeout[] = [];
    loop.callAt(1, () => {
      seen.push('first');
      loop.removeTimeout(handles[1] as Timeout);
    });
    handles.push(loop.callAt(2, log, 'by callback'), loop.callAt(3, log, 'by timeout'));
    loop.callAt(4, log, 'last');
    loop.addCallback(() => {
      loop.removeTimeout(handles[0] as Timeout);
    });
    await runTurns(loop, 2);
    t.deepEqual(seen, ['first', 'last']);
  }));

test('a timeout may cancel itself while it runs, and be cancelled twice or after it has run', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    const own: Timeout = loop.callAt(1, () => {
      ran += 1;
      loop.removeTimeout(own);
    });
    const twice = loop.callLater(3600, () => t.fail());
    loop.removeTimeout(twice);
    loop.removeTimeout(twice);
    await runTurns(loop);
    loop.removeTimeout(own);
    loop.removeTimeout(own);
    // The slots of both are free: another timeout that has one must stay.
    loop.callAt(1, () => {
      ran += 1;
    });
    loop.callAt(1, () => {
      ran += 1;
    });
    loop.removeTimeout(own);
    loop.removeTimeout(twice);
    await runTurns(loop);
    t.is(ran, 3);
  }));

test('a loop does not cancel the timeouts of another loop', (t) =>
  withLoop((loop) =>
    withLoop(async (other) => {
      let ran = 0;
      const count = (): void => {
        ran += 1;
      };
      other.callLater(3600, count);
      other.removeTimeout(loop.callLater(-1, count));
      const due = loop.callLater(-1, count);
      loop.addCallback(() => {
        other.removeTimeout(due);
      });
      await runTurns(loop);
      t.is(ran, 2);
    }),
  ));

test('removeTimeout refuses a value that is not a handle', (t) =>
  withLoop((loop) => {
    for (const value of [undefined, null, 0, {}, new Date()]) {
      const error = t.throws(() => loop.removeTimeout(value as never), { instanceOf: TypeError });
      t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
    }
  }));

test('a handle is opaque: it has no cancel()', (t) =>
  withLoop((loop) => {
    t.false('cancel' in loop.callLater(1, () => {}));
  }));

test('timeouts that are added and cancelled again by the hundred thousand leave the rest alone', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callAt(5, () => {
      ran += 1;
    });
    for (let at = 0; at < 100_000; at += 1) {
      loop.removeTimeout(loop.callLater(1 + (at % 7), () => t.fail()));
    }
    clock.now = 10;
    await runTurns(loop);
    t.is(ran, 1);
  }));
