/** The end of a TLS stream: announced by close_notify, cut, failed, or half closed. */
import { once } from 'node:events';
import * as net from 'node:net';
import * as tls from 'node:tls';
import test from 'ava';
import { type IOStream, StreamClosedError, TCPClient, type IOLoop } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { closedBy, failureOf } from './helpers/streams.js';
import { ca, identity, securePair } from './helpers/tls.js';

const CUT = 'ERR_IOLOOP_TLS_TRUNCATED';

/** A TLS client of ours at a TLS server of Node's, and the raw connection of the latter. */
async function withNode(
  body: (stream: IOStream, peer: tls.TLSSocket, raw: net.Socket, loop: IOLoop) => Promise<void>,
  options: object = {},
): Promise<void> {
  await onLoop(async (loop) => {
    const server = net.createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const connecting = new TCPClient().connect('127.0.0.1', port, {
      loop,
      ...options,
      tls: { hostname: 'localhost', tls: { ca } },
    });
    const [raw] = await accepted;
    const peer = new tls.TLSSocket(raw, { isServer: true, ...identity });
    peer.on('error', () => {});
    raw.on('error', () => {});
    try {
      await body(await connecting, peer, raw, loop);
    } finally {
      peer.destroy();
      server.close();
    }
  });
}

/** Sends `data` and then FIN, without the close_notify that Node would send. */
async function cut(peer: tls.TLSSocket, raw: net.Socket, data: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    peer.write(data, () => {
      resolve();
    });
  });
  const handle = (raw as unknown as { _handle: { shutdown(request: object): number } })._handle;
  const { ShutdownWrap } = (
    process as unknown as { binding(name: string): { ShutdownWrap: new () => object } }
  ).binding('stream_wrap');
  handle.shutdown(new ShutdownWrap());
}

for (const size of [0, 1, 20_000, 300_000]) {
  test(`a cut after ${size} bytes fails readUntilClose, which carries them`, async (t) => {
    await withNode(async (stream, peer, raw) => {
      const data = Buffer.alloc(size, 'half of an answer ');
      const reading = failureOf(stream.readUntilClose());
      await cut(peer, raw, data);
      const error = await reading;
      t.true(error instanceof StreamClosedError);
      t.is((error as StreamClosedError).realError?.name, 'IOLoopError');
      t.is(((error as StreamClosedError).realError as NodeJS.ErrnoException).code, CUT);
      t.true((error as StreamClosedError).partial?.equals(data));
      t.is((stream.error as NodeJS.ErrnoException).code, CUT);
    });
  });
}

test('iteration has every byte before the cut, and then throws', async (t) => {
  await withNode(async (stream, peer, raw) => {
    let length = 0;
    const iterate = async (): Promise<void> => {
      for await (const chunk of stream) length += chunk.length;
    };
    const iterating = closedBy(iterate());
    await cut(peer, raw, Buffer.alloc(200_000));
    t.is((await iterating)?.code, CUT);
    t.is(length, 200_000);
  });
});

test('data sent before a cut can be read when no read waited for it', async (t) => {
  await withNode(async (stream, peer, raw) => {
    const closed = new Promise((resolve) => {
      stream.setCloseCallback(resolve);
    });
    await cut(peer, raw, Buffer.from('abc'));
    t.is(((await closed) as NodeJS.ErrnoException).code, CUT);
    t.is(String(await stream.readBytes(3)), 'abc');
    t.is((await closedBy(stream.readBytes(1)))?.code, CUT);
  });
});

test('close_notify is an end, whatever follows it', async (t) => {
  await withNode(async (stream, peer) => {
    const reading = stream.readUntilClose();
    peer.end('the whole answer');
    t.is(String(await reading), 'the whole answer');
    t.is(stream.error, null);
  });
});

test('close(), end() and leaving a stream announce the end', async (t) => {
  for (const leave of [
    (stream: IOStream) => {
      stream.close();
    },
    (stream: IOStream) => stream.end(),
    async (stream: IOStream) => {
      await stream.write('x');
      stream.close();
    },
  ]) {
    await onLoop(async (loop) => {
      const [client, server] = await securePair(loop);
      const reading = client.readUntilClose();
      await leave(server);
      t.true((await reading).length <= 1);
      t.is(client.error, null);
    });
  }
});

test('a close for an error does not: the peer finds the stream cut', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop);
    const reading = closedBy(client.readUntilClose());
    server.close(new Error('the answer could not be computed'));
    t.is((await reading)?.code, CUT);
  }));

test('half-close: what is written after the end of the peer arrives', async (t) => {
  await withNode(
    async (stream, peer) => {
      const got: Buffer[] = [];
      peer.on('data', (chunk: Buffer) => got.push(chunk));
      const ended = once(peer, 'end');
      peer.end('question');
      t.is(String(await stream.readUntilClose()), 'question');
      t.false(stream.closed);
      await stream.write('answer');
      await stream.end();
      t.is(stream.error, null);
      await ended;
      t.is(Buffer.concat(got).toString(), 'answer');
    },
    { allowHalfOpen: true },
  );
});

test('a reset after data gives the data, and then ECONNRESET', async (t) => {
  await withNode(async (stream, peer, raw) => {
    const closed = new Promise((resolve) => {
      stream.setCloseCallback(resolve);
    });
    await new Promise((resolve) => {
      peer.write('abc', resolve);
    });
    t.is(String(await stream.readBytes(1)), 'a');
    raw.resetAndDestroy();
    t.is(((await closed) as NodeJS.ErrnoException).code, 'ECONNRESET');
    t.is(String(await stream.readBytes(2)), 'bc');
  });
});

test('an alert of the peer has its code; end() that cannot send rejects', async (t) => {
  await withNode(async (stream, _peer, raw) => {
    const reading = closedBy(stream.readBytes(1));
    // A record that was tampered with.
    raw.write(Buffer.from([23, 3, 3, 0, 32, ...new Uint8Array(32)]));
    t.regex((await reading)?.code ?? '', /^ERR_SSL_/);
  });
  await withNode(async (stream, _peer, raw) => {
    const large = closedBy(stream.write(Buffer.alloc(8_000_000)));
    const ending = closedBy(stream.end());
    raw.pause();
    raw.resetAndDestroy();
    t.regex((await ending)?.code ?? '', /^(ECONNRESET|EPIPE)$/);
    await large;
  });
});
