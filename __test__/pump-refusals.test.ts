/** `pump()`: arguments and states of streams that are refused, and operations that a pump refuses. */
import test from 'ava';
import { IOStream, pump, Socket } from 'ioloop';
import { until } from './helpers/fds.js';
import { digest, digestOf, MIB, noise, pumped, withProxied } from './helpers/pumps.js';
import { testOwnSockets } from './helpers/sockets-of.js';
import { failureOf } from './helpers/streams.js';

test('wrong arguments are refused by code, and the streams are as they were', (t) =>
  withProxied(async ({ client, near, far, server }) => {
    const wrong: [unknown, string][] = [
      [{ direction: 'back' }, 'ERR_INVALID_ARG_VALUE'],
      [{ end: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ timeout: 'soon' }, 'ERR_INVALID_ARG_TYPE'],
      [{ idleTimeout: Number.NaN }, 'ERR_INVALID_ARG_TYPE'],
      [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ counts: 0 }, 'ERR_INVALID_ARG_TYPE'],
      [0, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [options, code] of wrong) {
      t.is(
        (await failureOf(pump(near, far, options as never))).code,
        code,
        JSON.stringify(options),
      );
    }
    t.is((await failureOf(pump(near, {} as never))).code, 'ERR_INVALID_ARG_TYPE');
    t.is((await failureOf(pump(near, near))).code, 'ERR_INVALID_ARG_VALUE');
    t.is((await failureOf(pump(near, far, { signal: AbortSignal.abort() }))).name, 'AbortError');
    const unconnected = IOStream.pair({ loop: near.loop });
    unconnected[0].close();
    t.is((await failureOf(pump(near, unconnected[0]))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    const reading = near.readBytes(1);
    t.is((await failureOf(pump(near, far))).code, 'ERR_IOLOOP_READING');
    await client.write('x');
    t.is(String(await reading), 'x');
    await far.write('y');
    t.is(String(await server.readBytes(1)), 'y');
  }));

testOwnSockets('a stream that is not connected is refused', (t) =>
  withProxied(async ({ near, loop }) => {
    const stream = new IOStream(Socket.tcp(), { loop });
    t.is((await failureOf(pump(near, stream))).code, 'ERR_IOLOOP_STREAM_BUSY');
    stream.close();
  }),
);

test('a stream that toDuplex() has taken over is refused', (t) =>
  withProxied(async ({ near, far }) => {
    const duplex = near.toDuplex();
    t.is((await failureOf(pump(near, far))).code, 'ERR_IOLOOP_STREAM_BUSY');
    t.is((await failureOf(pump(far, near))).code, 'ERR_IOLOOP_STREAM_BUSY');
    duplex.destroy();
  }));

test('a writing side that has ended is refused before anything is read', (t) =>
  withProxied(async ({ client, near, far }) => {
    await far.shutdownWrite();
    await client.write('kept');
    t.is((await failureOf(pump(near, far))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is(String(await near.readBytes(4)), 'kept');
  }));

test('other reads of a pumped stream fail with ERR_IOLOOP_READING', (t) =>
  withProxied(async (proxied) => {
    const { client, near, server } = proxied;
    const running = pumped(proxied);
    t.is((await failureOf(near.readBytes(1))).code, 'ERR_IOLOOP_READING');
    client.close();
    server.close();
    await running;
  }));

test('nothing takes bytes out of a pump that waits for its sink', (t) =>
  withProxied(async (proxied) => {
    const { client, near, far, server } = proxied;
    const there = noise(16 * MIB);
    const running = pumped(proxied, { direction: 'forward' });
    const sent = client.write(there).then(() => client.shutdownWrite());
    await until(() => far.writing, 'a sink that is full');
    t.is((await failureOf(near.readBytes(1))).code, 'ERR_IOLOOP_READING');
    t.is((await failureOf(pump(near, server))).code, 'ERR_IOLOOP_READING');
    t.throws(() => near.setProtocol({ data: () => {} }), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    t.is(await digest(server), digestOf(there));
    await Promise.all([sent, running]);
    // It has ended: the refusals have, too.
    t.is((await failureOf(near.readBytes(1))).code, 'ERR_IOLOOP_STREAM_ENDED');
  }));
