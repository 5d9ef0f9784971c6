/** The async context of code that is called many times: the table of docs/observability.md. */
import { AsyncLocalStorage } from 'node:async_hooks';
import test from 'ava';
import {
  addAcceptHandler,
  bindSockets,
  IOLoop,
  IOStream,
  PeriodicCallback,
  Socket,
  TCPClient,
  TCPServer,
} from 'ioloop';
import { runChild } from './helpers/child.js';
import { onLoop, runTurns, withFakeTime, withLoop } from './helpers/loop.js';

const CLIENTS = 6;
const storage = new AsyncLocalStorage<string>();

/** What each call sees, which then enters a store of its own: of one user, of one request. */
function entering(seen: unknown[]): void {
  seen.push(storage.getStore());
  storage.enterWith(`left by call ${seen.length}`);
}

/** Connects so many clients, three of them at once, and waits until they are served. */
async function connectTo(loop: IOLoop, port: number): Promise<void> {
  const connect = async (): Promise<void> => {
    const client = await new TCPClient().connect('127.0.0.1', port, { loop });
    await client.readUntilClose();
  };
  for (let count = 0; count < CLIENTS - 3; count += 1) await connect();
  await Promise.all([connect(), connect(), connect()]);
}

/** So many calls, each of which sees `store`. */
const allOf = (store: string | undefined, calls: number): unknown[] =>
  Array.from({ length: calls }, () => store);

test('handleStream runs in the context of listen(), and leaves nothing to other connections', (t) =>
  onLoop(async (loop) => {
    const seen: unknown[] = [];
    const server = storage.run('construction', () => {
      return new TCPServer({
        loop,
        handleStream: (stream) => {
          entering(seen);
          stream.close();
        },
      });
    });
    storage.run('listen', () => server.listen(0, '127.0.0.1'));
    await connectTo(loop, server.port);
    await server.stop({ drain: true });
    t.deepEqual(seen, allOf('listen', CLIENTS));
  }));

test('connections of two calls of listen() have the context of their own', (t) =>
  onLoop(async (loop) => {
    const seen: unknown[] = [];
    const server = new TCPServer({
      loop,
      handleStream: async (stream) => {
        await Promise.resolve();
        entering(seen);
        stream.close();
      },
    });
    for (const name of ['first', 'second']) {
      storage.run(name, () => server.addSockets(bindSockets(0, '127.0.0.1')));
    }
    for (const address of server.addresses) {
      await connectTo(loop, (address as { port: number }).port);
    }
    await server.stop({ drain: true });
    t.deepEqual(seen, [...allOf('first', CLIENTS), ...allOf('second', CLIENTS)]);
  }));

test('an accept handler runs in the context of addAcceptHandler()', (t) =>
  onLoop(async (loop) => {
    const seen: unknown[] = [];
    const [socket] = bindSockets(0, '127.0.0.1') as [Socket];
    const stop = storage.run('added', () =>
      addAcceptHandler(
        socket,
        (connection) => {
          entering(seen);
          connection.close();
        },
        { loop },
      ),
    );
    await connectTo(loop, (socket.localAddress as { port: number }).port);
    stop();
    socket.close();
    t.deepEqual(seen, allOf('added', CLIENTS));
  }));

test('a handler that enters a store leaves nothing to its next call', (t) =>
  withLoop(async (loop) => {
    const seen: unknown[] = [];
    const [near, far] = Socket.pair();
    far.send('unread');
    storage.run('added', () => {
      loop.addHandler(near, () => entering(seen), IOLoop.READ);
    });
    await runTurns(loop, 3);
    near.close();
    far.close();
    t.deepEqual(seen, allOf('added', 3));
  }));

for (const [kind, callback] of [
  ['function', entering],
  ['async function', async (seen: unknown[]) => entering(seen)],
] as const) {
  test.serial(`a periodic ${kind} that enters a store leaves nothing to its next call`, (t) =>
    withFakeTime(async (loop, clock) => {
      const seen: unknown[] = [];
      loop.makeCurrent();
      const periodic = new PeriodicCallback(() => callback(seen), 1000);
      storage.run('start', () => {
        periodic.start();
      });
      for (let turn = 0; turn < 3; turn += 1) {
        clock.advance(1);
        await runTurns(loop);
      }
      periodic.stop();
      t.deepEqual(seen, allOf('start', 3));
    }),
  );
}

test('an exposed function runs outside of all contexts, at each call', (t) =>
  onLoop(async (loop) => {
    const seen: unknown[] = [];
    const remote = storage.run('caller', () => {
      loop.expose('look', () => entering(seen));
      return IOLoop.fromRemote(loop.remote());
    });
    await storage.run('caller', () => remote.call('look'));
    storage.run('caller', () => {
      remote.addCallback('look');
    });
    await remote.call('look');
    t.deepEqual(seen, allOf(undefined, 3));
  }));

test('what awaits a stream goes on in its own context, and a close callback in that of its setting', (t) =>
  onLoop(async (loop) => {
    const [near, far] = Socket.pair();
    const stream = storage.run('construction', () => new IOStream(near, { loop }));
    const seen: unknown[] = [];
    const closed = new Promise<void>((resolve) => {
      storage.run('setting', () => {
        stream.setCloseCallback(() => {
          seen.push(storage.getStore());
          resolve();
        });
      });
    });
    far.send('abc');
    await storage.run('reader', async () => {
      await stream.readBytes(3);
      seen.push(storage.getStore());
    });
    far.close();
    await storage.run('other', () => stream.readUntilClose());
    await closed;
    t.deepEqual(seen, ['reader', 'setting']);
  }));

test('contexts are released with what was added in them', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { IOLoop, IOStream, PeriodicCallback, Socket, TCPServer } from 'ioloop';
    const storage = new AsyncLocalStorage();
    const loop = new IOLoop({ makeCurrent: true });
    const added = [];
    const keep = [];
    const add = (name, body) => {
      const store = { name };
      added.push([name, new WeakRef(store)]);
      storage.run(store, body);
    };
    const turn = () => new Promise((resolve) => loop.addCallback(resolve));
    async function fill() {
      const [near, far] = Socket.pair();
      keep.push(near, far);
      add('handler', () => loop.addHandler(near, () => {}, IOLoop.READ));
      loop.removeHandler(near);
      add('timeout', () => keep.push(loop.callLater(3600, () => {})));
      loop.removeTimeout(keep.at(-1));
      add('timeout that ran', () => keep.push(loop.callLater(0, () => {})));
      add('callback', () => loop.addCallback(() => {}));
      const periodic = new PeriodicCallback(() => {}, 1);
      keep.push(periodic);
      add('periodic', () => periodic.start());
      const server = new TCPServer({ handleStream: () => {} });
      keep.push(server);
      add('server', () => server.listen(0, '127.0.0.1'));
      const [one, other] = Socket.pair();
      const stream = new IOStream(one);
      keep.push(stream, other);
      add('close callback', () => stream.setCloseCallback(() => {}));
      stream.close();
      await new Promise((resolve) => loop.callLater(0.02, resolve));
      periodic.stop();
      await server.stop();
      await turn();
    }
    await loop.runSync(async () => {
      await fill();
      for (let count = 0; count < 1000 && added.some(([, ref]) => ref.deref()); count += 1) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        await turn();
        globalThis.gc();
      }
      console.log(added.filter(([, ref]) => ref.deref()).map(([name]) => name).join(', ') || 'none');
    });
    process.exit();
  `);
  t.is(stdout, 'none\n', stderr);
});
