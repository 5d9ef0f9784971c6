/** Iteration over a server's streams, with a timeout and a signal; the port of a server. */
import test from 'ava';
import { bindUnixSocket, TCPServer, type IOStream } from 'ioloop';
import { onLoop, type ReportingLoop, withFakeTime, withLoop } from './helpers/loop.js';
import { addressOf, connectTo } from './helpers/net.js';
import { failureOf, turns } from './helpers/streams.js';

async function withServer(
  body: (server: TCPServer, loop: ReportingLoop) => Promise<void>,
): Promise<void> {
  await onLoop(async (loop) => {
    await using server = new TCPServer({ loop });
    server.listen(0, '127.0.0.1');
    await body(server, loop);
  });
}

test('an aborted signal ends the iteration and stops the server; streams live on', async (t) => {
  await withServer(async (server, loop) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const taken: IOStream[] = [];
    const iteration = failureOf(
      (async () => {
        for await (const stream of server.streams({ signal: controller.signal }))
          taken.push(stream);
      })(),
    );
    const client = await connectTo(loop, addressOf(server));
    while (taken.length === 0) await turns(client);
    controller.abort(reason);
    t.is(await iteration, reason);
    t.deepEqual(server.addresses, []);
    t.false(taken[0]?.closed ?? true);
    client.close();
  });
});

test('a timeout is for each connection', (t) =>
  withFakeTime((loop, clock) =>
    loop.runSync(async () => {
      await using server = new TCPServer({ loop });
      server.listen(0, '127.0.0.1');
      const iteration = server.streams({ timeout: 10 });
      const first = iteration.next();
      const client = await connectTo(loop, addressOf(server));
      clock.advance(9);
      t.false((await first).done);
      clock.advance(9);
      const late = failureOf(iteration.next());
      await turns(client);
      clock.advance(11);
      await turns(client);
      t.is((await late).name, 'TimeoutError');
      t.deepEqual(await iteration.next(), { done: true, value: undefined });
      client.close();
    }),
  ));

test('port is that of the first TCP address, 0 without one', async (t) => {
  await withServer(async (server) => {
    t.deepEqual(server.addresses, [{ host: '127.0.0.1', port: server.port }]);
    await server.stop();
    t.is(server.port, 0);
  });
  await withLoop(async (loop) => {
    const server = new TCPServer({ loop, handleStream: () => {} });
    if (process.platform === 'linux') server.addSocket(bindUnixSocket(`\0ioloop-${process.pid}`));
    t.is(server.port, 0);
    server.listen(0, '127.0.0.1');
    t.true(server.port > 0);
    await server.stop();
  });
});
