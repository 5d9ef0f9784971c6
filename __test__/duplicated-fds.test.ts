/**
 * Descriptions that outlive their descriptor: a copy in another process keeps them in the kernel's
 * set, which goes on reporting to a registration that is gone. The loop must not spin on that.
 */
import { writeSync } from 'node:fs';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, drain, nodeTurns, openFds, pipe, until } from './helpers/fds.js';
import { ReportingLoop } from './helpers/loop.js';
import { heldByChild } from './helpers/stolen.js';

const { READ } = IOLoop;
/** More than the core puts up with before it makes another set. */
const EVENTS = 40;

/** A loop that counts its turns: each that collects reads the clock once. */
class CountingLoop extends ReportingLoop {
  readonly clock: { reads: number };

  constructor() {
    const clock = { reads: 0 };
    const timeFunc = (): number => {
      clock.reads += 1;
      return performance.now() / 1e3;
    };
    super({ makeCurrent: false, timeFunc });
    this.clock = clock;
  }
}

/** New handlers on new sources: still called. */
async function answers(loop: IOLoop): Promise<boolean> {
  const [readable, peer] = Socket.pair();
  const read = new Promise<string>((resolve) => {
    loop.addHandler(
      readable,
      () => {
        const data = readable.recv(10);
        if (data !== null) resolve(data.toString());
      },
      READ,
    );
  });
  peer.send('hello');
  const isHello = (await read) === 'hello';
  loop.removeHandler(readable);
  closeAll(readable, peer);
  return isHello;
}

for (const removes of ['never', 'after close']) {
  test.serial(`a description that lives on, removeHandler ${removes}: no spin`, async (t) => {
    const sets = countSets();
    const loop = new CountingLoop();
    const [reader, writer] = pipe();
    const release = await heldByChild(reader);
    let calls = 0;
    loop.addHandler(
      reader,
      () => {
        calls += 1;
      },
      READ,
    );
    const running = loop.start();
    await nodeTurns();
    closeAll(reader);
    if (removes === 'after close') loop.removeHandler(reader);

    for (let event = 0; event < EVENTS; event += 1) {
      writeSync(writer, 'x');
      await nodeTurns(2);
    }
    t.true(calls <= 2, `${calls} calls`);
    t.true(await answers(loop));

    // The data is still unread, and the loop is at rest all the same.
    const { reads } = loop.clock;
    t.true(reads < 10 * EVENTS, `${reads} turns for ${EVENTS} events`);
    await nodeTurns(20);
    t.true(loop.clock.reads - reads < 5, 'turns without a reason');

    t.true(await answers(loop));
    loop.stop();
    await running;
    loop.close();
    t.is(countSets(), sets);
    await release();
    closeAll(writer);
    t.deepEqual(loop.errors, []);
  });
}

test.serial(
  'a description that lives on does not disturb the next owner of the number',
  async (t) => {
    const loop = new CountingLoop();
    const [reader, writer] = pipe();
    const release = await heldByChild(reader);
    loop.addHandler(reader, () => t.fail(), READ);
    const running = loop.start();
    await nodeTurns();
    closeAll(reader);
    const spares: number[] = [];
    let [next, nextWriter] = pipe();
    while (next !== reader && spares.length < 50) {
      spares.push(next, nextWriter);
      [next, nextWriter] = pipe();
    }
    t.is(next, reader, 'the lowest free number');
    const read: (string | null)[] = [];
    loop.addHandler(next, () => read.push(drain(next)), READ);
    for (let event = 0; event < EVENTS; event += 1) {
      writeSync(writer, 'stale');
      await nodeTurns(1);
    }
    t.deepEqual(read.filter(Boolean), []);
    writeSync(nextWriter, 'fresh');
    // However long the driver takes to wake the loop on a busy machine.
    while (!read.some(Boolean)) await nodeTurns(1);
    t.deepEqual(read.filter(Boolean), ['fresh']);
    t.true(await answers(loop));
    loop.removeHandler(next);
    loop.stop();
    await running;
    loop.close();
    await release();
    closeAll(writer, next, nextWriter, ...spares);
  },
);

test.serial('handlers and timers of before survive a new set', async (t) => {
  const loop = new CountingLoop();
  const [kept, peer] = Socket.pair();
  const read: string[] = [];
  loop.addHandler(
    kept,
    () => {
      const data = kept.recv(10);
      if (data !== null) read.push(data.toString());
    },
    READ,
  );
  const [reader, writer] = pipe();
  const release = await heldByChild(reader);
  loop.addHandler(reader, () => {}, READ);
  const fired = new Promise<void>((resolve) => {
    loop.callLater(0.2, resolve);
  });
  const running = loop.start();
  await nodeTurns();
  closeAll(reader);
  for (let event = 0; event < EVENTS; event += 1) {
    writeSync(writer, 'x');
    await nodeTurns(1);
  }
  peer.send('later');
  await fired;
  await until(() => read.length > 0, 'the bytes');
  t.deepEqual(read, ['later']);
  loop.removeHandler(kept);
  loop.stop();
  await running;
  loop.close();
  await release();
  closeAll(writer, kept, peer);
});

test.serial('removeHandler before close: nothing is reported of the copy', async (t) => {
  const loop = new CountingLoop();
  const [reader, writer] = pipe();
  const release = await heldByChild(reader);
  loop.addHandler(reader, () => t.fail(), READ);
  const running = loop.start();
  await nodeTurns();
  loop.removeHandler(reader);
  closeAll(reader);
  await nodeTurns();
  const { reads } = loop.clock;
  for (let event = 0; event < EVENTS; event += 1) {
    writeSync(writer, 'x');
    await nodeTurns(1);
  }
  t.true(loop.clock.reads - reads < 5, 'turns without a reason');
  loop.stop();
  await running;
  loop.close();
  await release();
  closeAll(writer);
});

function countSets(): number {
  if (process.platform !== 'linux') return 0;
  return [...openFds().values()].filter((target) => target.includes('eventpoll')).length;
}
