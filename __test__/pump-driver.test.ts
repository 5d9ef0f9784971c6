/** Flows of `pump()` that the core moves: between two loops, and when their budget cuts them. */
import { type Timeout, IOLoop, IOStream, pump, Socket, type PumpCounts } from 'ioloop';
import { capabilities } from '#internal';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { serialIf } from './helpers/conditions.js';
import { tcpPair, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { digest, digestOf, MIB, noise } from './helpers/pumps.js';
import { ownSockets } from './helpers/sockets-of.js';

const hasPassages = ownSockets && capabilities.splice && capabilities.edges;
const serialFlow = serialIf(hasPassages, 'sockets that are spliced, and edges');

serialFlow('a pump from one loop to another moves the bytes of its own streams', (t) =>
  withCapacities({ ...USUAL, flow: 1 }, async () => {
    const other = new IOLoop({ makeCurrent: false });
    const started = other.start();
    try {
      await onLoop(async (loop) => {
        // The sinks have indices in the table of the other loop that sources have in this one.
        const options = { loop, allowHalfOpen: true };
        const [bystander, quiet] = (await tcpPair()).map((end) => new IOStream(end, options)) as [
          IOStream,
          IOStream,
        ];
        const [client, near] = (await tcpPair()).map((end) => new IOStream(end, options)) as [
          IOStream,
          IOStream,
        ];
        const [out, end] = await tcpPair();
        const far = new IOStream(out, { loop: other, allowHalfOpen: true });
        const server = new IOStream(end, options);
        const running = pump(near, far);
        const bytes = noise(8 * MIB);
        const got = digest(server);
        await client.write(bytes);
        await client.shutdownWrite();
        t.is(await got, digestOf(bytes));
        await server.shutdownWrite();
        t.deepEqual(await running, { forward: bytes.length, back: 0 });
        t.is(quiet.readBufferSize + bystander.readBufferSize, 0);
        for (const stream of [bystander, quiet, client, server]) stream.close();
      });
    } finally {
      other.stop();
      await started;
      other.close();
    }
  }),
);

/** Nothing but events wakes it: the look at a flow, each tenth of a second, would let it go on. */
function patientLoop(): IOLoop {
  const loop = new IOLoop({ makeCurrent: false });
  const callLater = (_delay: number, callback: () => unknown): Timeout =>
    loop.callAt(loop.time() + 3600, callback);
  return Object.assign(loop, { callLater });
}

for (const pokes of [1, 2]) {
  serialFlow(`a flow that is cut goes on after ${pokes} other events, which begin turns`, (t) =>
    withCapacities({ ...USUAL, flow: 1, spliceBudget: 256, spliceShare: 256 }, async () => {
      const sinkPair = await tcpPair();
      const proxy = patientLoop();
      const started = proxy.start();
      try {
        await onLoop(async (loop) => {
          // A TCP socket reports room only if it was full.
          const ends = [...Socket.pair(), ...sinkPair, ...Socket.pair()];
          const [client, near, far, server, poker, poked] = ends.map((end, at) => {
            return new IOStream(end, {
              loop: [0, 3, 4].includes(at) ? loop : proxy,
              allowHalfOpen: true,
            });
          }) as [IOStream, IOStream, IOStream, IOStream, IOStream, IOStream];
          const counts: PumpCounts = { forward: 0, back: 0 };
          const bytes = noise(150_000);
          await client.write(bytes);
          const running = pump(near, far, { counts });
          // The sink reports no room, and the source no more bytes.
          const got = server.readBytes(bytes.length);
          await until(() => counts.forward > 0, 'a flow');
          for (let poke = 0; poke < pokes; poke += 1) {
            const reading = poked.readBytes(1);
            void poker.write('x');
            await reading;
            await new Promise((resolve) => {
              setImmediate(resolve);
            });
          }
          t.true((await got).equals(bytes));
          client.close();
          server.close();
          await running;
          poker.close();
          poked.close();
        });
      } finally {
        proxy.stop();
        await started;
        proxy.close();
      }
    }),
  );
}
