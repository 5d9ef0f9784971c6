/** Errors and hang-ups of descriptors, which are reported whatever the interest. */
import { writeSync } from 'node:fs';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, drain, pipe, tcpPair } from './helpers/fds.js';
import { countCalls, firstEvents, withLoop } from './helpers/loop.js';

const { NONE, READ, WRITE } = IOLoop;

const FAILED = 0x08;
const HANG_UP = 0x10;

for (const [name, interest] of Object.entries({ NONE, READ, WRITE })) {
  test(`${name}: the hang-up of a pipe's last writer is reported in each turn`, (t) =>
    withLoop(async (loop) => {
      const [reader, writer] = pipe();
      closeAll(writer);
      const seen: number[] = [];
      const note = (_: number, events: number): void => {
        seen.push(events);
        if (seen.length === 3) loop.stop();
      };
      countCalls(loop, reader, note, interest);
      await loop.start();
      t.is(seen.length, 3);
      t.true(seen.every((events) => (events & HANG_UP) !== 0));
      t.is(drain(reader), null);
      loop.removeHandler(reader);
      closeAll(reader);
    }));
}

test('a hang-up comes together with the data before it', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    writeSync(writer, 'last');
    closeAll(writer);
    t.is(await firstEvents(loop, reader, READ), READ | HANG_UP);
    t.is(drain(reader), 'last');
    closeAll(reader);
  }));

test('a pipe without reader is an error at the writer, also for NONE', (t) =>
  withLoop(async (loop) => {
    for (const [interest, expected] of [
      [WRITE, WRITE | FAILED],
      [NONE, FAILED],
    ] as const) {
      const [reader, writer] = pipe();
      closeAll(reader);
      t.is(await firstEvents(loop, writer, interest), expected);
      closeAll(writer);
    }
  }));

test('a Unix socket whose peer is closed is readable, writable and hung up', (t) =>
  withLoop(async (loop) => {
    const [socket, peer] = Socket.pair();
    peer.close();
    t.is(await firstEvents(loop, socket, READ | WRITE), READ | WRITE | HANG_UP);
    socket.close();
  }));

test('the end of a half-closed stream is reported until the handler is removed', (t) =>
  withLoop(async (loop) => {
    const [client, server] = await tcpPair();
    client.send('last');
    client.shutdown('write');
    const read: (string | null)[] = [];
    countCalls(loop, server, (_, events) => {
      t.is(events, READ);
      read.push(server.recv(100)?.toString() ?? null);
      if (read.length === 4) loop.stop();
    });
    await loop.start();
    t.deepEqual(read, ['last', '', '', '']);
    closeAll(client, server);
  }));

test('a connection that was reset is an error and a hang-up', (t) =>
  withLoop(async (loop) => {
    const [client, server] = await tcpPair();
    server.send('never read');
    loop.addHandler(client, () => client.close(), READ);
    t.is(await firstEvents(loop, server, NONE), FAILED | HANG_UP);
    t.throws(() => server.recv(1), { code: 'ECONNRESET' });
    server.close();
  }));
