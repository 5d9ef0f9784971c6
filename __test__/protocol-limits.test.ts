/** Protocols over each kind of connection: what a peer costs, and how one that costs too much ends. */
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import { lines, Socket, TCPServer } from 'ioloop';
import { HAS_PROC, nodeTurns, openFds, until } from './helpers/fds.js';
import { serialIf } from './helpers/conditions.js';
import { onLoop } from './helpers/loop.js';
import { addressOf, connectTo, portOf } from './helpers/net.js';
import { KINDS, withKind, type Kind, type OfKind } from './helpers/protocol-kinds.js';
import type { Functions } from './helpers/protocols.js';
import { ownSockets } from './helpers/sockets-of.js';
import { identity } from './helpers/tls.js';

for (const [name, kind] of Object.entries<Kind>(KINDS)) {
  const run = (
    functions: Functions<unknown>,
    body: (ofKind: OfKind) => Promise<void>,
    options: object = {},
  ): Promise<void> => onLoop((loop) => withKind(loop, kind, functions, body, options));

  test(`${name}: a write beyond maxWriteBufferSize is refused whole`, (t) =>
    run(
      {},
      async ({ connection, peer }) => {
        const refused = { code: 'ERR_IOLOOP_BUFFER_FULL' };
        t.throws(() => connection.write(Buffer.alloc(100_001)), refused);
        t.is(connection.unsent, 0);
        let taken = 0;
        const fill = (): void => {
          for (; taken < 64_000_000; taken += 90_000) connection.write(Buffer.alloc(90_000));
        };
        // What the kernel takes at once is not buffered.
        t.throws(fill, refused);
        t.true(connection.unsent <= 100_000);
        t.throws(() => connection.write([Buffer.alloc(90_000)]), refused);
        t.throws(() => connection.write('x'.repeat(90_000)), refused);
        connection.end();
        t.is((await peer.readUntilClose()).length, taken);
      },
      { maxWriteBufferSize: 100_000 },
    ));

  test(`${name}: an endless line closes its connection at the limit`, (t) => {
    const seen: number[] = [];
    const data = lines<unknown>((_, line) => seen.push(line.length), { maxLength: 1000 });
    return run({ data }, async ({ peer, connection, closed }) => {
      await peer.write(`${'x'.repeat(1000)}\n`);
      await until(() => seen.length === 1, 'the line');
      const sent = peer.write(Buffer.alloc(4_000_000, 'x'));
      await closed();
      await sent.catch(() => {});
      t.deepEqual(seen, [1000]);
      const { code } = connection.error as NodeJS.ErrnoException;
      t.is(code, 'ERR_IOLOOP_UNSATISFIABLE_READ');
      t.true(connection.bytesReceived < 300_000, `${connection.bytesReceived} bytes`);
    });
  });

  test(`${name}: an answer before the end of a request arrives, by shutdownWrite()`, (t) =>
    run(
      {
        data(c) {
          c.write(Buffer.alloc(1_000_000));
          c.shutdownWrite();
        },
      },
      async ({ peer, closed, calls }) => {
        const sent = peer.write(Buffer.alloc(3_000_000));
        t.is((await peer.readUntilClose()).length, 1_000_000);
        await sent;
        await peer.end();
        await closed();
        t.deepEqual(calls.slice(-2), ['end', 'close']);
      },
    ));

  test(`${name}: a peer that is silent is closed by setTimeout()`, (t) =>
    run({}, async ({ peer, connection, calls, closed }) => {
      await peer.write('x');
      await until(() => calls.includes('data x'), 'the byte');
      connection.setTimeout({ milliseconds: 5 });
      await closed();
      t.deepEqual(calls, ['open', 'data x', 'close: ERR_IOLOOP_TIMEOUT']);
    }));

  test(`${name}: a peer that is gone while it is written to is the error of close`, (t) =>
    run({}, async ({ peer, connection, calls, closed }) => {
      const feed = (): void => {
        if (connection.closed) return;
        connection.write(Buffer.alloc(100_000));
        connection.loop.addCallback(feed);
      };
      // Else EOF would end it, before a write can fail.
      connection.pause();
      feed();
      await peer.readBytes(1);
      peer.close();
      await closed();
      t.regex(calls.at(-1) ?? '', /^close: (EPIPE|ECONNRESET|ERR_IOLOOP_TLS_TRUNCATED)$/);
      t.false(connection.write('late'));
    }));
}

/** Connects, sends a byte or nothing, and resets: mostly before a turn of the server's loop accepts. */
async function connectAndReset(
  address: { host: string; port: number },
  sends: boolean,
): Promise<void> {
  if (!ownSockets) {
    const client = connect(address.port, '127.0.0.1');
    await once(client, 'connect');
    if (sends) client.write('x');
    client.resetAndDestroy();
    return;
  }
  const client = Socket.tcp();
  client.connect(address);
  await until(() => client.remoteAddress !== null, 'a connection');
  if (sends) client.send('x');
  client.setOption('linger', 0);
  client.close();
}

for (const [name, options] of Object.entries({ TCP: {}, TLS: { tls: identity } })) {
  serialIf(HAS_PROC, '/proc')(
    `${name}: peers that have reset before they are accepted leave nothing`,
    (t) =>
      onLoop(async (loop) => {
        const counts = { open: 0, close: 0 };
        const server = new TCPServer({
          loop,
          ...options,
          protocol: {
            open: () => void (counts.open += 1),
            data: (c) => c.end(),
            close: () => void (counts.close += 1),
          },
        });
        server.listen(0, '127.0.0.1');
        const before = openFds().size;
        const { connectionsAccepted } = loop.metrics();
        for (let n = 0; n < 200; n += 1) {
          await connectAndReset({ host: '127.0.0.1', port: portOf(server) }, n % 2 === 0);
        }
        // Connections are accepted in order: when this one is closed, the earlier ones are too. It does not
        // speak TLS.
        const last = await connectTo(loop, addressOf(server));
        await last.write('something');
        await last.readUntilClose().catch(() => {});
        last.close();
        await until(() => server.connections === 0, 'the end of all');
        await until(() => counts.open === counts.close, 'the closes');
        const accepted = loop.metrics().connectionsAccepted - connectionsAccepted;
        // Sockets of node:net that were reset before a turn are not taken.
        t.true(ownSockets ? accepted === 201 : accepted >= 1 && accepted <= 201, `${accepted}`);
        // There was no handshake.
        t.is(counts.open, name === 'TCP' ? accepted : 0);
        await nodeTurns();
        t.true(openFds().size <= before);
        await server.stop();
      }),
  );
}
