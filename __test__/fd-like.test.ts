/** Objects with a descriptor: known by it, handed back as they are, closed in their own way. */
import { openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { once } from 'node:events';
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Socket as NetSocket,
} from 'node:net';
import test from 'ava';
import { IOLoop, Socket, type FdLike } from 'ioloop';
import { closeAll, pipe, readablePair, until, isOpen } from './helpers/fds.js';
import { ReportingLoop, runTurns, withLoop } from './helpers/loop.js';

const { READ } = IOLoop;

test('splitFd gives the number and what was passed', (t) =>
  withLoop((loop) => {
    const [socket, peer] = Socket.pair();
    const { fd } = socket;
    const byMethod = { fileno: () => fd };
    const byProperty = { fd };
    t.deepEqual(loop.splitFd(fd), [fd, fd]);
    for (const thing of [socket, byMethod, byProperty]) {
      const [number, same] = loop.splitFd(thing);
      t.is(number, fd);
      t.is(same as unknown, thing);
    }
    closeAll(socket, peer);
  }));

test('fileno() goes before fd, and is called as a method', (t) =>
  withLoop((loop) => {
    class File {
      readonly fd = 1;
      readonly number = 7;
      fileno(): number {
        return this.number;
      }
    }
    t.is(loop.splitFd(new File())[0], 7);
  }));

test('what fileno() throws comes out of addHandler, and nothing is registered', (t) =>
  withLoop(async (loop) => {
    const file = {
      fileno(): number {
        throw new Error('no number today');
      },
    };
    t.throws(() => loop.addHandler(file, () => {}, READ), { message: 'no number today' });
    await runTurns(loop);
  }));

test("Node's sockets are known by their handle", (t) =>
  withLoop(async (loop) => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client: NetSocket = createConnection((server.address() as AddressInfo).port);
    await once(client, 'connect');
    const [fd, same] = loop.splitFd(client);
    t.true(Number.isInteger(fd) && fd > 2);
    t.is(same, client);
    const seen = await new Promise((resolve) => {
      loop.addHandler(
        client,
        (passed) => {
          resolve(passed);
          loop.stop();
        },
        IOLoop.WRITE,
      );
      void loop.start();
    });
    t.is(seen, client);
    loop.removeHandler(client);
    loop.closeFd(client);
    t.true(client.destroyed);
    await once(client, 'close');
    t.notThrows(() => loop.removeHandler(client));
    t.throws(() => loop.addHandler(client, () => {}, READ), { code: 'ERR_INVALID_ARG_TYPE' });
    server.close();
  }));

test('a FileHandle of a regular file is refused like its number', (t) =>
  withLoop(async (loop) => {
    const handle = await open('package.json');
    t.throws(() => loop.addHandler(handle, () => {}, READ), { code: 'EPERM' });
    t.is(loop.splitFd(handle)[0], handle.fd);
    await handle.close();
    t.throws(() => loop.addHandler(handle, () => {}, READ), { code: 'EBADF' });
    t.throws(() => loop.updateHandler(handle, READ), { code: 'EBADF' });
  }));

test('closeFd closes numbers by close(2), objects by close() or by their number', (t) =>
  withLoop((loop) => {
    const [socket, peer] = Socket.pair();
    loop.closeFd(socket);
    t.true(socket.closed);
    const number = openSync('package.json', 'r');
    loop.closeFd(number);
    t.false(isOpen(number));
    const bare = { fd: openSync('package.json', 'r') };
    loop.closeFd(bare);
    t.false(isOpen(bare.fd));
    let closed = 0;
    loop.closeFd({ fd: peer.fd, close: () => (closed += 1) });
    t.is(closed, 1);
    t.true(isOpen(peer.fd));
    closeAll(peer);
  }));

test.serial('closeFd closes a FileHandle, also one that is closed', async (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const handle = await open('package.json');
  const { fd } = handle;
  loop.closeFd(handle);
  await until(() => !isOpen(fd), 'the file to be closed');
  t.is(handle.fd, -1);
  t.notThrows(() => loop.closeFd(handle));
  loop.close();
});

test('closeFd ignores what the system says, and nothing else', (t) =>
  withLoop((loop) => {
    t.notThrows(() => loop.closeFd(999_999));
    t.notThrows(() => loop.closeFd({ fd: 999_999 }));
    const broken = {
      fd: 0,
      close(): void {
        throw new Error('broken');
      },
    };
    t.throws(() => loop.closeFd(broken), { message: 'broken' });
    for (const none of [null, undefined, 'x', {}] as unknown as FdLike[]) {
      t.throws(() => loop.closeFd(none), { code: 'ERR_INVALID_ARG_TYPE' });
    }
  }));

test('a subclass may have descriptors of its own kind', async (t) => {
  class Named extends ReportingLoop {
    readonly names = new Map<unknown, number>();
    override splitFd<F extends FdLike>(fd: F): [number, F] {
      const number = this.names.get(fd);
      return number === undefined ? super.splitFd(fd) : [number, fd];
    }
  }
  const loop = new Named({ makeCurrent: false });
  const [readable, peer] = readablePair();
  const name = 'left' as unknown as number;
  loop.names.set(name, readable.fd);
  const passed = new Set<unknown>();
  loop.addHandler(name, (fd) => passed.add(fd), READ);
  t.throws(() => loop.addHandler(readable, () => {}, READ), { code: 'ERR_IOLOOP_FD_REGISTERED' });
  await runTurns(loop, 3);
  t.deepEqual([...passed], [name]);
  loop.updateHandler(name, IOLoop.NONE);
  loop.removeHandler(name);
  t.throws(() => loop.updateHandler(readable, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
  loop.close();
  closeAll(readable, peer);
});

test('a descriptor of 0 is one', (t) =>
  withLoop((loop) => {
    t.deepEqual(loop.splitFd(0), [0, 0]);
    t.is(loop.splitFd(process.stdin)[0], 0);
  }));

test('numbers of pipes work as they are', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    loop.addHandler(
      writer,
      (fd) => {
        t.is(fd, writer);
        loop.stop();
      },
      IOLoop.WRITE,
    );
    await loop.start();
    loop.removeHandler(writer);
    closeAll(reader, writer);
  }));
