/** Flows of `pump()` that the core moves without JavaScript: what takes them back, and what they count. */
import * as fc from 'fast-check';
import { IOLoop, IOStream, pump, type PumpCounts } from 'ioloop';
import { capabilities, native } from '#internal';
import { USUAL, withCapacities, type Capacities } from './helpers/capacities.js';
import { serialIf } from './helpers/conditions.js';
import { HAS_PROC, openFds, tcpPair, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import {
  CONNECTIONS,
  digest,
  digestOf,
  MIB,
  noise,
  pumped,
  roundForEver,
  withProxied,
} from './helpers/pumps.js';
import { ownSockets } from './helpers/sockets-of.js';
import { failureOf, turns } from './helpers/streams.js';

const hasPassages = ownSockets && capabilities.splice && capabilities.edges;
const serialFlow = serialIf(hasPassages, 'sockets that are spliced, and edges');

/** What the binary was asked for: passages that have begun, and bytes that JavaScript has spliced. */
interface Asked {
  passages: number;
  spliced: number;
}

/** Runs `body` with the usual amounts, but for these: others would make no flows. */
function withFlows<T>(changed: Partial<Capacities>, body: () => Promise<T>): Promise<T> {
  return withCapacities({ ...USUAL, ...changed }, body);
}

/** Runs `body`, and counts. Of one test at a time. */
function asking<T>(body: (asked: Asked) => Promise<T>): Promise<T> {
  return withFlows({}, () => counting(body));
}

async function counting<T>(body: (asked: Asked) => Promise<T>): Promise<T> {
  const asked: Asked = { passages: 0, spliced: 0 };
  const { passageBegin, spliceThrough, spliceIn } = native;
  Object.assign(native, {
    passageBegin: (...args: Parameters<typeof passageBegin>) => {
      const result = passageBegin(...args);
      if (result >= 0) asked.passages += 1;
      return result;
    },
    spliceThrough: (...args: Parameters<typeof spliceThrough>) => {
      const result = spliceThrough(...args);
      asked.spliced += Math.max(0, result);
      return result;
    },
    spliceIn: (...args: Parameters<typeof spliceIn>) => {
      const result = spliceIn(...args);
      asked.spliced += Math.max(0, result);
      return result;
    },
  });
  try {
    return await body(asked);
  } finally {
    Object.assign(native, { passageBegin, spliceThrough, spliceIn });
  }
}

serialFlow('of a flow JavaScript moves only the beginning, and its counts are whole', (t) =>
  asking((asked) =>
    withProxied(async (proxied) => {
      const { loop, client, server } = proxied;
      const size = 64 * MIB;
      const counts: PumpCounts = { forward: 0, back: 0 };
      const before = loop.metrics();
      const running = pumped(proxied, { counts });
      const chunk = noise(MIB);
      const writing = (async () => {
        for (let sent = 0; sent < size; sent += MIB) await client.write(chunk);
      })();
      let got = 0;
      while (got < size) got += (await server.readBytes(4 * MIB, { partial: true })).length;
      await writing;
      t.true(asked.passages > 0);
      t.true(asked.spliced < size / 4, `${asked.spliced} of ${size}`);
      // What the clients have sent and received, and what the pump has.
      const after = loop.metrics();
      t.is(after.bytesReceived - before.bytesReceived, 2 * size);
      t.is(after.bytesSent - before.bytesSent, 2 * size);
      await until(() => counts.forward === size, 'the counts');
      await client.shutdownWrite();
      server.close();
      t.deepEqual(await running, { forward: size, back: 0 });
    }),
  ),
);

serialFlow('a flow that stalls is unsent bytes, which a detach() does not lose', (t) =>
  withFlows({}, () =>
    withProxied(async (proxied) => {
      const { client, far, server } = proxied;
      const running = pumped(proxied, { direction: 'forward' });
      const bytes = noise(32 * MIB);
      const written = client.write(bytes).then(() => client.shutdownWrite());
      await until(() => far.writing, 'a sink that is full');
      t.true(far.writeBufferSize > 0);
      t.throws(() => far.detach(), { code: 'ERR_IOLOOP_STREAM_BUSY' });
      t.is(await digest(server), digestOf(bytes));
      server.close();
      await written;
      t.is((await running).forward, bytes.length);
    }),
  ),
);

serialFlow('a stream whose number is given away passes nothing without a check', (t) =>
  asking((asked) =>
    withProxied(async (proxied) => {
      const { client, near, server } = proxied;
      const [first, second] = [noise(4 * MIB), noise(4 * MIB)];
      const running = pumped(proxied);
      void client.write(first);
      t.true((await server.readBytes(first.length)).equals(first));
      near.fileno();
      const { passages } = asked;
      t.true(passages > 0);
      void client.write(second).then(() => client.shutdownWrite());
      t.is(await digest(server), digestOf(second));
      t.is(asked.passages, passages);
      server.close();
      t.is((await running).forward, first.length + second.length);
    }),
  ),
);

serialFlow('the source of a flow has room for writes of the program, once its peer reads', (t) =>
  withFlows({ flow: 1 }, () =>
    withProxied(async (proxied) => {
      const { client, near, server } = proxied;
      const [there, back] = [noise(16 * MIB), noise(16 * MIB)];
      const running = pumped(proxied, { direction: 'forward' });
      const got = digest(server);
      const beginning = client.write(there.subarray(0, MIB));
      await beginning;
      const written = near.write(back);
      await client.write(there.subarray(MIB));
      t.true(near.writing);
      t.true((await client.readBytes(back.length)).equals(back));
      await written;
      await client.shutdownWrite();
      t.is(await got, digestOf(there));
      await running;
    }),
  ),
);

serialFlow('the writes of a sink and its end come after what has passed', (t) =>
  withFlows({ flow: 1 }, () =>
    withProxied(async (proxied) => {
      const { client, far, server } = proxied;
      const bytes = noise(32 * MIB);
      const failed = failureOf(pumped(proxied, { direction: 'forward', end: false }));
      void client.write(bytes);
      await until(() => far.writing, 'a sink that is full');
      const end = far.shutdownWrite();
      const got = await server.readUntilClose();
      await end;
      t.true(got.equals(bytes.subarray(0, got.length)));
      t.true(got.length > 0);
      t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    }),
  ),
);

/** Runs `body` with a pump in a loop of its own, whose clients are in another one. */
function withOwnLoop(body: (own: OwnLoop) => Promise<void>): Promise<void> {
  return withFlows({}, () => pumping(body));
}

interface OwnLoop {
  readonly proxy: IOLoop;
  readonly client: IOStream;
  readonly server: IOStream;
  readonly counts: PumpCounts;
  readonly running: Promise<PumpCounts>;
}

async function pumping(body: (own: OwnLoop) => Promise<void>): Promise<void> {
  const proxy = new IOLoop();
  const ends = [...(await tcpPair()), ...(await tcpPair())] as const;
  try {
    await onLoop(async (loop) => {
      const [client, near, far, server] = ends.map((end, at) => {
        return new IOStream(end, { loop: at % 3 === 0 ? loop : proxy, allowHalfOpen: true });
      }) as [IOStream, IOStream, IOStream, IOStream];
      const counts: PumpCounts = { forward: 0, back: 0 };
      const running = pump(near, far, { counts });
      await body({ proxy, client, server, counts, running });
      client.close();
      server.close();
    });
  } finally {
    proxy.close();
  }
}

serialFlow('a pump of a stopped loop stands still, and goes on with it', (t) =>
  withOwnLoop(async ({ proxy, client, server, counts, running }) => {
    const bytes = noise(24 * MIB);
    const got = digest(server);
    let started = proxy.start();
    const written = client.write(bytes).then(() => client.shutdownWrite());
    await until(() => counts.forward > 0, 'a flow');
    proxy.stop();
    await started;
    const { bytesSent } = proxy.metrics();
    await turns(client, 50);
    t.is(proxy.metrics().bytesSent, bytesSent);
    started = proxy.start();
    t.is(await got, digestOf(bytes));
    await written;
    await server.shutdownWrite();
    t.deepEqual(await running, { forward: bytes.length, back: 0 });
    proxy.stop();
    await started;
  }),
);

serialIf(hasPassages && HAS_PROC, 'sockets that are spliced, and /proc')(
  'a loop that is closed in the middle of a flow leaves no pipe behind',
  async (t) => {
    const before = openFds().size;
    await withOwnLoop(async ({ proxy, client, counts, running }) => {
      const failed = failureOf(running);
      const started = proxy.start();
      void client.write(Buffer.alloc(32 * MIB)).catch(() => {});
      await until(() => counts.forward > 0, 'a flow');
      proxy.stop();
      await started;
      proxy.close();
      t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    });
    t.is(openFds().size, before);
  },
);

serialFlow('flows that spend their budget all the time starve neither their loop nor Node', (t) =>
  withFlows({ flow: 1, spliceBudget: 1024, spliceShare: 512 }, () =>
    withProxied(async (proxied) => {
      t.is((await roundForEver(proxied)).code, 'ERR_IOLOOP_STREAM_CLOSED');
    }),
  ),
);

/** What happens between two pieces. */
const ACTIONS = ['nothing', 'write', 'look', 'expose', 'metrics', 'turn'] as const;

serialFlow(
  'whatever the program does meanwhile, no byte is lost, doubled or swapped',
  async (t) => {
    const piece = fc.tuple(
      fc.integer({ min: 1, max: 400_000 }),
      fc.constantFrom(...ACTIONS),
      fc.boolean(),
    );
    const kinds = fc.constantFrom(CONNECTIONS.tcp, CONNECTIONS.unix);
    const property = fc.asyncProperty(
      fc.array(piece, { minLength: 1, maxLength: 12 }),
      kinds,
      kinds,
      fc.integer({ min: 1, max: 300_000 }),
      async (pieces, left, right, share) => {
        await withFlows({ flow: 1, spliceShare: share, spliceBudget: share }, () =>
          withProxied(
            async (proxied) => {
              const { loop, client, near, far, server } = proxied;
              const counts: PumpCounts = { forward: 0, back: 0 };
              const running = pumped(proxied, { counts });
              // Bytes of the source are below 128, those of the program above.
              const sent: Buffer[] = [];
              let own = 0;
              const back = noise(200_000);
              const gotBack = digest(client);
              const reading = server.readUntilClose();
              const sending = server.write(back);
              for (const [size, action, waits] of pieces) {
                const bytes = Buffer.from(noise(size).map((byte) => byte & 127));
                sent.push(bytes);
                const written = client.write(bytes);
                if (waits) await written;
                if (action === 'write') {
                  own += 1;
                  void far.write(Buffer.alloc(3, 128 + own));
                } else if (action === 'look') t.is(typeof far.writing, 'boolean');
                else if (action === 'expose') near.fileno();
                else if (action === 'metrics') loop.metrics();
                else if (action === 'turn') await turns(near, 2);
              }
              await client.shutdownWrite();
              const got = await reading;
              await sending;
              await server.shutdownWrite();
              const result = await running;
              t.is(await gotBack, digestOf(back));
              const theirs = Buffer.concat(sent);
              t.true(theirs.equals(got.filter((byte) => byte < 128)));
              const expected = Array.from({ length: own }, (_, at) => [
                129 + at,
                129 + at,
                129 + at,
              ]);
              const others = got.filter((byte) => byte >= 128);
              t.deepEqual(Array.from(others), expected.flat());
              t.deepEqual(result, { forward: theirs.length, back: back.length });
              t.deepEqual(counts, result);
            },
            [left, right],
          ),
        );
      },
    );
    await fc.assert(property, { numRuns: 25 });
  },
);
