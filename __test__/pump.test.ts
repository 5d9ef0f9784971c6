/** `pump()` moves every byte, both ways, and both ends; between all kinds of streams. */
import test from 'ava';
import { IOStream, pump, type PumpCounts } from 'ioloop';
import { capabilities, capacities, TurnShare } from '#internal';
import { TINY, withCapacities } from './helpers/capacities.js';
import { onLoop } from './helpers/loop.js';
import { CONNECTIONS, digest, digestOf, MIB, noise, pumped, withProxied } from './helpers/pumps.js';
import { failureOf, isSettled, localPair, turns } from './helpers/streams.js';

/** Of a direction, for what it does not splice. */
const BOUNDS = { readBudget: 32 * 1024, pumpBudget: 64 * 1024 };
const KINDS = ['tcp', 'unix', 'tls'] as const;

for (const left of KINDS) {
  for (const right of KINDS) {
    test(`${left} to ${right}: bytes and ends of both directions arrive, in any order of ends`, (t) =>
      withProxied(
        async (proxied) => {
          const { client, server, near, far } = proxied;
          const [there, back] = [noise(3 * MIB + 7), noise(2 * MIB + 1)];
          const running = pumped(proxied);
          const sent = Promise.all([
            client.write(there).then(() => client.shutdownWrite()),
            digest(client),
          ]);
          t.is(await digest(server), digestOf(there));
          // The other direction goes on after the end of this one.
          t.false(await isSettled(running));
          await server.write(back);
          await server.shutdownWrite();
          t.deepEqual(await sent, [undefined, digestOf(back)]);
          t.deepEqual(await running, { forward: there.length, back: back.length });
          t.true(near.closed && far.closed);
          t.is(near.error ?? far.error, null);
        },
        [CONNECTIONS[left], CONNECTIONS[right]],
      ));
  }
}

test('both directions at once, in large chunks', (t) =>
  withProxied(async (proxied) => {
    const { client, server } = proxied;
    const [there, back] = [noise(12 * MIB), noise(12 * MIB)];
    const running = pumped(proxied);
    const ends = await Promise.all([
      digest(client),
      digest(server),
      client.write(there).then(() => client.shutdownWrite()),
      server.write(back).then(() => server.shutdownWrite()),
    ]);
    t.deepEqual(ends.slice(0, 2), [digestOf(back), digestOf(there)]);
    t.deepEqual(await running, { forward: there.length, back: back.length });
  }));

test('unread bytes come first, and those after EOF too', (t) =>
  withProxied(async (proxied) => {
    const { client, near, server } = proxied;
    await client.write('GET / HTTP/1.1\r\n\r\nrest');
    t.is(String(await near.readUntil('\r\n\r\n')), 'GET / HTTP/1.1\r\n\r\n');
    await client.shutdownWrite();
    await near.peek(4);
    const running = pumped(proxied);
    t.is(String(await server.readUntilClose()), 'rest');
    server.close();
    t.deepEqual(await running, { forward: 4, back: 0 });
  }));

test('without allowHalfOpen a half-close is carried over all the same', (t) =>
  onLoop(async (loop) => {
    const [client, near] = localPair(loop, { allowHalfOpen: true }, {});
    const [far, server] = localPair(loop, {}, { allowHalfOpen: true });
    const running = pump(near, far);
    await client.write('question');
    await client.shutdownWrite();
    t.is(String(await server.readUntilClose()), 'question');
    await server.write('answer');
    await server.end();
    t.is(String(await client.readUntilClose()), 'answer');
    t.deepEqual(await running, { forward: 8, back: 6 });
    client.close();
  }));

test('forward moves one way, and leaves the other to the program', (t) =>
  withProxied(async (proxied) => {
    const { client, near, far, server } = proxied;
    const running = pumped(proxied, { direction: 'forward' });
    await server.write('not pumped');
    await client.write('pumped');
    await client.shutdownWrite();
    t.is(String(await server.readUntilClose()), 'pumped');
    t.deepEqual(await running, { forward: 6, back: 0 });
    t.is(String(await far.readBytes(10)), 'not pumped');
    await near.write('still open');
    t.is(String(await client.readBytes(10)), 'still open');
  }));

test('end: false shuts down and closes nothing, and the streams go on', (t) =>
  withProxied(async (proxied) => {
    const { client, near, far, server } = proxied;
    const controller = new AbortController();
    const counts: PumpCounts = { forward: 1, back: 1 };
    const large = noise(5 * MIB);
    const running = pumped(proxied, { end: false, signal: controller.signal, counts });
    const written = client.write(large);
    t.true((await server.readBytes(large.length)).equals(large));
    await written;
    controller.abort(new Error('enough'));
    t.is((await failureOf(running)).message, 'enough');
    t.deepEqual(counts, { forward: large.length, back: 0 });
    t.false(near.closed || far.closed);
    await client.write('by hand');
    t.is(String(await near.readBytes(7)), 'by hand');
    await far.write('too');
    t.is(String(await server.readBytes(3)), 'too');
  }));

test('an abort with end: false loses no byte, wherever it comes', (t) =>
  withProxied(async (proxied) => {
    const { client, near, far, server } = proxied;
    const bytes = noise(6 * MIB);
    const got = digest(server);
    const written = client.write(bytes).then(() => client.shutdownWrite());
    // EOF is found behind bytes that are unread.
    for (let count = 1; !near.ended || near.readBufferSize > 0; count += 1) {
      const controller = new AbortController();
      const running = pumped(proxied, { end: false, signal: controller.signal });
      await turns(near, count);
      controller.abort();
      await running.catch(() => {});
    }
    await written;
    await far.shutdownWrite();
    t.is(await got, digestOf(bytes));
  }));

test('a stream forward to itself is an echo', (t) =>
  onLoop(async (loop) => {
    const [client, server] = localPair(loop, { allowHalfOpen: true });
    const running = pump(server, server, { direction: 'forward' });
    const bytes = noise(2 * MIB);
    const written = client.write(bytes).then(() => client.shutdownWrite());
    t.is(await digest(client), digestOf(bytes));
    await written;
    t.deepEqual(await running, { forward: bytes.length, back: 0 });
    t.true(server.closed);
    client.close();
  }));

test('streams in memory are pumped', (t) =>
  onLoop(async (loop) => {
    const options = { loop, allowHalfOpen: true };
    const [client, near] = IOStream.pair(options);
    const [far, server] = IOStream.pair(options);
    const running = pump(near, far);
    const bytes = noise(MIB);
    void client.write(bytes).then(() => client.end());
    t.is(await digest(server), digestOf(bytes));
    server.close();
    t.is((await running).forward, bytes.length);
  }));

test('writes of the program arrive between the chunks, whole', (t) =>
  withProxied(async (proxied) => {
    const { client, far, server } = proxied;
    const running = pumped(proxied);
    const zeros = Buffer.alloc(4 * MIB);
    const pinging = (async () => {
      for (let count = 0; count < 200; count += 1) await far.write('ping!');
    })();
    void client.write(zeros).then(() => client.shutdownWrite());
    await pinging;
    const got = await server.readUntilClose();
    server.close();
    await running;
    t.is(got.length, zeros.length + 1000);
    t.is(got.filter((byte) => byte !== 0).toString(), 'ping!'.repeat(200));
  }));

test.serial('boundaries of chunks and budgets cost no byte', async (t) => {
  for (const budget of [1, 64, 4096, 100_000]) {
    const small = { ...TINY, readBudget: budget, sendBudget: budget, pumpBudget: budget, pipes: 1 };
    await withCapacities(budget < 4096 ? small : { pumpBudget: budget, readBudget: budget }, () =>
      withProxied(async (proxied) => {
        const { client, server } = proxied;
        const bytes = noise(budget < 4096 ? 20_000 : 2 * MIB);
        const running = pumped(proxied);
        void client.write(bytes).then(() => client.shutdownWrite());
        t.is(await digest(server), digestOf(bytes), `budget ${budget}`);
        server.close();
        t.is((await running).forward, bytes.length);
      }),
    );
  }
  t.true(capacities.pumpBudget > 0);
});

test('the users of a turn share its budget, as many as there were in the turn before', (t) => {
  const share = new TurnShare();
  const turn = (users: number): number[] => {
    share.nextTurn();
    return Array.from({ length: users }, () => share.take(1200, 100));
  };
  t.deepEqual(turn(1), [1200]);
  // The second one is not expected, and the first has taken all.
  t.deepEqual(turn(2), [1200, 600]);
  t.deepEqual(turn(2), [600, 600]);
  t.deepEqual(turn(4), [600, 600, 400, 300]);
  t.deepEqual(turn(4), [300, 300, 300, 300]);
  t.deepEqual(turn(1), [300]);
  t.deepEqual(turn(24).at(-1), 100);
  t.deepEqual(turn(0), []);
  t.deepEqual(turn(1), [1200]);
});

test.serial('what pumps splice in a turn is bounded, however fast they could go on', (t) =>
  withCapacities({ ...BOUNDS, spliceBudget: 128 * 1024, spliceShare: 32 * 1024 }, () =>
    withProxied(async (proxied) => {
      if (!capabilities.splice) {
        t.pass('nothing is spliced here');
        return;
      }
      const { loop, client, server } = proxied;
      const bytes = noise(16 * MIB);
      const running = pumped(proxied);
      const before = loop.metrics().turns;
      void client.write(bytes).then(() => client.shutdownWrite());
      t.is(await digest(server), digestOf(bytes));
      const turnsOfPump = loop.metrics().turns - before;
      server.close();
      t.is((await running).forward, bytes.length);
      t.true(turnsOfPump >= 16 * 4, `${turnsOfPump} turns`);
    }),
  ),
);
