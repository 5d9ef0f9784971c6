/** Order inside a turn, measured on Tornado 4.5; see docs/loop-iteration.md. */
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { countTurns, runTurns, withFakeTime, withLoop } from './helpers/loop.js';

/** Runs `body` with a socket that has a byte to read. */
async function withReadable(body: (readable: Socket) => Promise<unknown>): Promise<void> {
  const [readable, writer] = Socket.pair();
  writer.send(Buffer.from('x'));
  try {
    await body(readable);
  } finally {
    readable.close();
    writer.close();
  }
}

test('a turn runs callbacks, then timeouts by deadline, then handlers; what they add comes next', (t) =>
  withLoop(
    (loop) =>
      withReadable(async (readable) => {
        const trace: string[] = [];
        const log = (name: string): void => {
          trace.push(name);
        };
        loop.addHandler(
          readable,
          () => {
            log('handler');
            loop.removeHandler(readable);
            loop.addCallback(log, 'cb-from-handler');
          },
          IOLoop.READ,
        );
        loop.callAt(loop.time(), () => {
          log('t-now');
          loop.addCallback(log, 'cb-from-timeout');
          loop.callAt(loop.time() - 20, log, 't-past-nested');
        });
        loop.callLater(-1, log, 't-neg');
        loop.callAt(loop.time() - 10, log, 't-past');
        loop.addCallback(() => {
          log('cb1');
          loop.addCallback(log, 'cb-nested');
        });
        loop.addCallback(log, 'cb2');
        await runTurns(loop, 2);
        const first = ['cb1', 'cb2', 't-past', 't-neg', 't-now', 'handler'];
        const second = ['cb-nested', 'cb-from-timeout', 'cb-from-handler', 't-past-nested'];
        t.deepEqual(trace, [...first, ...second]);
      }),
    MANY_TIMERS,
  ));

test('a callback added by a callback runs in the next turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    loop.addCallback(() => {
      t.is(counter.turn, 1);
      loop.addCallback(() => {
        t.is(counter.turn, 2);
        loop.stop();
      });
    });
    await loop.start();
    t.plan(2);
  }));

test('a due timeout added by a callback runs in the next turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    loop.addCallback(() => {
      loop.callAt(0, () => {
        t.is(counter.turn, 2);
        loop.stop();
      });
    });
    await loop.start();
    t.plan(1);
  }));

test('a due timeout added by a timeout runs in the next turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    const turns: number[] = [];
    const again = (): void => {
      turns.push(counter.turn);
      if (turns.length === 3) loop.stop();
      else loop.callLater(-1, again);
    };
    loop.callLater(-1, again);
    await loop.start();
    t.deepEqual(turns, [1, 2, 3]);
  }));

test('a timeout that falls due while the callbacks of a turn run waits for the next turn', (t) =>
  withFakeTime(async (loop, clock) => {
    const counter = countTurns(loop);
    loop.callAt(1, () => {
      t.is(counter.turn, 2);
      loop.stop();
    });
    loop.addCallback(() => {
      clock.now = 1;
    });
    await loop.start();
    t.plan(1);
  }));

test('a handler added by a callback is called in the next turn at the earliest', (t) =>
  withLoop((loop) =>
    withReadable(async (readable) => {
      const counter = countTurns(loop);
      loop.addCallback(() => {
        const handler = (): void => {
          t.is(counter.turn, 2);
          loop.stop();
        };
        loop.addHandler(readable, handler, IOLoop.READ);
      });
      await loop.start();
      t.plan(1);
    }),
  ));

test('a callback added by a handler runs in the next turn', (t) =>
  withLoop((loop) =>
    withReadable(async (readable) => {
      const counter = countTurns(loop);
      const handler = (): void => {
        const { turn } = counter;
        loop.removeHandler(readable);
        loop.addCallback(() => {
          t.is(counter.turn, turn + 1);
          loop.stop();
        });
      };
      loop.addHandler(readable, handler, IOLoop.READ);
      await loop.start();
      t.plan(1);
    }),
  ));

test('a handler that leaves its data unread is called once in each turn', (t) =>
  withLoop((loop) =>
    withReadable(async (readable) => {
      const counter = countTurns(loop);
      const turns: number[] = [];
      const handler = (): void => {
        turns.push(counter.turn);
        if (turns.length === 4) loop.stop();
      };
      loop.addHandler(readable, handler, IOLoop.READ);
      await loop.start();
      t.deepEqual(turns, [1, 2, 3, 4]);
    }),
  ));

test('what resumes from await runs after the turn and before the next', (t) =>
  withLoop(async (loop) => {
    const trace: string[] = [];
    loop.addCallback(async () => {
      trace.push('first');
      await Promise.resolve();
      trace.push('resumed');
    });
    loop.addCallback(() => {
      trace.push('second');
      loop.addCallback(() => {
        trace.push('next turn');
        loop.stop();
      });
    });
    loop.callLater(-1, () => {
      trace.push('timeout');
    });
    await loop.start();
    t.deepEqual(trace, ['first', 'second', 'timeout', 'resumed', 'next turn']);
  }));

test('Node runs its immediates between two turns', (t) =>
  withLoop(async (loop) => {
    const trace: string[] = [];
    loop.addCallback(() => {
      trace.push('turn 1');
      setImmediate(() => trace.push('immediate'));
      loop.addCallback(() => {
        trace.push('turn 2');
        loop.stop();
      });
    });
    await loop.start();
    t.deepEqual(trace, ['turn 1', 'immediate', 'turn 2']);
  }));
