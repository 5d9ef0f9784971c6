/**
 * `busyPoll`: a loop that polls for some time before it sleeps. The tests count polls, and those that an
 * event has ended; none measures a time.
 */
import { createServer, connect } from 'node:net';
import { inspect } from 'node:util';
import test from 'ava';
import { IOLoop, Socket, type IOStream } from 'ioloop';
import { runChild } from './helpers/child.js';
import { serialIf } from './helpers/conditions.js';
import { onLoop, runTurns, withLoop, type ReportingLoop } from './helpers/loop.js';
import { ownSockets } from './helpers/sockets-of.js';
import { localPair } from './helpers/streams.js';

/** Seconds: the longest, and one that is over by the next look at the clock. */
const LONGEST = 0.001;
const SHORTEST = 1e-9;

/** The events of other loops are no descriptors of Node's loop. */
const polls = (() => {
  const loop = new IOLoop({ makeCurrent: false });
  loop.close();
  return loop.driver === 'libuv' && ownSockets;
})();
/** One after the other: Node's loop does not sleep beside the work of other tests. */
const testPolls = serialIf(polls, 'the driver libuv');

for (const [busyPoll, code, message] of [
  [-1e-6, 'ERR_OUT_OF_RANGE', /"busyPoll".* from 0 to 0\.001 seconds\. Received -0\.000001/],
  [20, 'ERR_OUT_OF_RANGE', /"busyPoll"/],
  [Infinity, 'ERR_OUT_OF_RANGE', /"busyPoll"/],
  [{ milliseconds: 2 }, 'ERR_OUT_OF_RANGE', /"busyPoll"/],
  [{ microseconds: '20' }, 'ERR_INVALID_ARG_VALUE', /"?busyPoll\.microseconds"?/],
  [NaN, 'ERR_INVALID_ARG_TYPE', /"busyPoll"/],
  ['20', 'ERR_INVALID_ARG_TYPE', /"busyPoll"/],
  [null, 'ERR_INVALID_ARG_TYPE', /"busyPoll"/],
  [true, 'ERR_INVALID_ARG_TYPE', /"busyPoll"/],
] as const) {
  test(`busyPoll: ${inspect(busyPoll)} is refused`, (t) => {
    const make = (): IOLoop => new IOLoop({ makeCurrent: false, busyPoll: busyPoll as never });
    const error = t.throws(make);
    t.like(error, { code });
    t.regex(error.message, message);
  });
}

test('0 and undefined, and a loop without the option, do not poll', async (t) => {
  for (const options of [{}, { busyPoll: 0 }, { busyPoll: undefined }]) {
    await onLoop(async (loop) => {
      await pingPong(loop, 50);
      t.like(loop.metrics(), { busyPolls: 0, busyPollsAnswered: 0 });
    }, options);
  }
});

test('the loop works with a driver that sleeps at once, which polls never', (t) =>
  onLoop(
    async (loop) => {
      await pingPong(loop, 50);
      t.is(loop.metrics().busyPolls > 0, polls);
    },
    { busyPoll: LONGEST },
  ));

for (const busyPoll of [LONGEST, SHORTEST, { microseconds: 20 }]) {
  testPolls(`what has come is found by the poll of ${JSON.stringify(busyPoll)}`, (t) =>
    onLoop(
      async (loop) => {
        await pingPong(loop, 200);
        const { busyPolls, busyPollsAnswered } = loop.metrics();
        // Where Node had other work, its loop would not have slept.
        t.true(busyPolls > 100, `${busyPolls} of 200`);
        // The last one may be under way.
        t.true(busyPollsAnswered >= busyPolls - 1, `${busyPollsAnswered} of ${busyPolls}`);
      },
      { busyPoll },
    ),
  );
}

testPolls('polls without an event become rare', (t) =>
  onLoop(
    async (loop) => {
      await pollInVain(loop, 64);
      const { busyPolls, busyPollsAnswered } = loop.metrics();
      t.is(busyPollsAnswered, 0);
      // After events 1, 3, 6, 11, 20 and 37, unless Node had other work after one of them.
      t.true(busyPolls >= 3 && busyPolls <= 6, `${busyPolls} polls`);
    },
    { busyPoll: SHORTEST },
  ),
);

testPolls('polls that are answered again are made again', (t) =>
  onLoop(
    async (loop) => {
      await pollInVain(loop, 40);
      const before = loop.metrics();
      await pingPong(loop, 400);
      const { busyPolls, busyPollsAnswered } = loop.metrics();
      // At most 64 turns with events are passed over before the first one.
      t.true(busyPolls - before.busyPolls > 150, `${busyPolls - before.busyPolls} of 400`);
      t.true(busyPollsAnswered >= busyPolls - before.busyPolls - 1);
    },
    { busyPoll: SHORTEST },
  ),
);

testPolls("Node's own connections, timers and immediates are served between polls", (t) =>
  onLoop(
    async (loop) => {
      const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as { port: number };
      let ends = false;
      const rally = pingPong(loop, Infinity, () => ends);
      const client = connect(port, '127.0.0.1');
      for (let count = 0; count < 20; count += 1) {
        client.write('x');
        await new Promise((resolve) => client.once('data', resolve));
        await new Promise((resolve) => setTimeout(resolve, 1));
        await nextImmediate();
      }
      ends = true;
      await rally;
      client.destroy();
      server.close();
      t.true(loop.metrics().busyPollsAnswered > 0);
    },
    { busyPoll: LONGEST },
  ),
);

testPolls('a loop that is stopped, started again and closed: the counts go on', (t) =>
  withLoop(
    async (loop) => {
      await loop.runSync(() => pingPong(loop, 50));
      const { busyPolls: first } = loop.metrics();
      await loop.runSync(() => pingPong(loop, 50));
      const { busyPolls: second } = loop.metrics();
      t.true(first > 0 && second > first);
      await runTurns(loop);
      loop.close();
      t.is(loop.metrics().busyPolls, second);
    },
    { busyPoll: LONGEST },
  ),
);

const RALLY = `
  import { IOLoop, IOStream, Socket } from 'ioloop';
  const loop = new IOLoop({ busyPoll: 0.001 });
  const [near, far] = Socket.pair().map((socket) => new IOStream(socket, { loop }));
  const rally = async (rounds) => {
    for (let round = 0; round < rounds; round += 1) {
      far.send('x');
      await near.readBytes(1);
    }
  };
`;

testPolls('a loop that is stopped in the middle of polls lets the process end', async (t) => {
  const result = await runChild(`${RALLY}
    loop.addCallback(async () => { await rally(100); loop.stop(); });
    await loop.start();
    console.log(loop.metrics().busyPolls > 50);
  `);
  t.is(result.stdout, 'true\n', result.stderr);
  t.is(result.code, 0);
});

testPolls('a worker is terminated in the middle of polls', async (t) => {
  const program = `${RALLY}
    import { parentPort } from 'node:worker_threads';
    loop.addCallback(async () => {
      await rally(100);
      parentPort.postMessage('');
      await rally(Infinity);
    });
    await loop.start();
  `;
  const source = program.replace("'ioloop'", JSON.stringify(import.meta.resolve('ioloop')));
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const result = await runChild(`
    import { Worker } from 'node:worker_threads';
    for (let count = 0; count < 3; count += 1) {
      const worker = new Worker(new URL(${JSON.stringify(url)}));
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await worker.terminate();
    }
    console.log('ended');
  `);
  t.is(result.stdout, 'ended\n', result.stderr);
});

/** Sends a byte and reads it, so often, or until `isOver`. Each read waits for an event of its own. */
async function pingPong(
  loop: ReportingLoop,
  rounds: number,
  isOver: () => boolean = () => false,
): Promise<void> {
  const [near, far]: [IOStream, IOStream] = localPair(loop);
  for (let round = 0; round < rounds && !isOver(); round += 1) {
    far.send('x');
    await near.readBytes(1);
  }
  near.close();
  far.close();
}

function nextImmediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Events with nothing after them: each with its turn, the poll after that, and the end of the poll. */
async function pollInVain(loop: ReportingLoop, events: number): Promise<void> {
  const [near, far] = Socket.pair();
  for (let count = 0; count < events; count += 1) {
    await new Promise((resolve) => {
      loop.addHandler(near, () => resolve(near.recv(10)), IOLoop.READ);
      far.send('x');
    });
    loop.removeHandler(near);
    // A sleep of Node's loop, and a look at the clock after it: a poll of the shortest length is over.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await nextImmediate();
  }
  near.close();
  far.close();
}
