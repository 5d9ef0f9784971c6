/** Nobody starves: neither Node's own work, nor the loop's callbacks, nor another source. */
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, readablePair } from './helpers/fds.js';
import { runTurns, withLoop } from './helpers/loop.js';

const { READ, WRITE } = IOLoop;

async function withServer(body: (url: string) => Promise<void>): Promise<void> {
  const server: Server = createServer((_, response) => response.end('served'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function request(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });
}

/** What keeps a loop busy in every turn, each in its way. */
const STORMS: Readonly<Record<string, (loop: IOLoop) => () => void>> = {
  'a handler that never reads': (loop) => {
    const [readable, peer] = readablePair();
    loop.addHandler(readable, () => {}, READ);
    return () => {
      loop.removeHandler(readable);
      closeAll(readable, peer);
    };
  },
  'a handler with room to write': (loop) => {
    const [socket, peer] = Socket.pair();
    loop.addHandler(socket, () => {}, WRITE);
    return () => {
      loop.removeHandler(socket);
      closeAll(socket, peer);
    };
  },
  'a callback that adds itself': (loop) => {
    const again = (): void => {
      loop.addCallback(again);
    };
    again();
    return () => {};
  },
  'a timeout in the past that adds itself': (loop) => {
    const again = (): void => {
      loop.callLater(-1, again);
    };
    again();
    return () => {};
  },
};

for (const [name, begin] of Object.entries(STORMS)) {
  test(`${name} does not starve Node's timers, setImmediate, http and fetch`, (t) =>
    withLoop((loop) =>
      withServer(async (url) => {
        const end = begin(loop);
        const running = loop.start();
        for (let round = 0; round < 3; round += 1) {
          await new Promise((resolve) => {
            setTimeout(resolve, 1);
          });
          await new Promise((resolve) => {
            setImmediate(resolve);
          });
        }
        t.is(await request(url), 'served');
        t.is(await (await fetch(url)).text(), 'served');
        end();
        loop.stop();
        await running;
      }),
    ));

  test(`${name} does not starve the callbacks, timeouts and handlers of its loop`, (t) =>
    withLoop(async (loop) => {
      const end = begin(loop);
      const [readable, peer] = readablePair();
      const seen = new Set<string>();
      const saw = (what: string): void => {
        seen.add(what);
        if (seen.size === 3) loop.stop();
      };
      loop.addCallback(() => loop.addCallback(saw, 'callback'));
      loop.callLater(0.005, saw, 'timeout');
      loop.addHandler(readable, () => saw('handler'), READ);
      await loop.start();
      t.is(seen.size, 3);
      end();
      closeAll(readable, peer);
    }));

  test(`${name} does not starve another loop of the thread`, (t) =>
    withLoop((busy) =>
      withLoop(async (other) => {
        const end = begin(busy);
        const running = busy.start();
        await runTurns(other, 10);
        other.callLater(0.002, () => other.stop());
        await other.start();
        busy.stop();
        await running;
        end();
        t.pass();
      }),
    ));
}

test("a storm of Node's immediates and timers does not starve the loop", (t) =>
  withLoop(async (loop) => {
    let storming = true;
    const immediates = (): void => {
      if (storming) setImmediate(immediates);
    };
    const timers = (): void => {
      if (storming) setTimeout(timers, 0);
    };
    immediates();
    timers();
    const [readable, peer] = Socket.pair();
    loop.addHandler(readable, () => loop.stop(), READ);
    loop.callLater(0.005, () => peer.send('x'));
    await loop.start();
    storming = false;
    closeAll(readable, peer);
    t.pass();
  }));

test('of more ready sources than one turn can report each has its share', (t) =>
  withLoop(
    async (loop) => {
      // The core reports at most 1,024 events of the set in one turn.
      const pairs = Array.from({ length: 1500 }, () => Socket.pair());
      const sockets = pairs.flat();
      const calls = new Map<Socket, number>(sockets.map((socket) => [socket, 0]));
      let waiting = sockets.length;
      const ENOUGH = 3;
      for (const socket of sockets) {
        loop.addHandler(
          socket,
          () => {
            const count = (calls.get(socket) as number) + 1;
            calls.set(socket, count);
            if (count === ENOUGH) waiting -= 1;
            if (waiting === 0) loop.stop();
          },
          WRITE,
        );
      }
      await loop.start();
      const most = Math.max(...calls.values());
      t.true(most <= 4 * ENOUGH, `one was called ${most} times before all were called ${ENOUGH}`);
      for (const socket of sockets) loop.removeHandler(socket);
      closeAll(...sockets);
    },
    { capacities: { events: 1024 } },
  ));

test('a source that comes last is heard among many that nobody reads', (t) =>
  withLoop(async (loop) => {
    const pairs = Array.from({ length: 1200 }, () => readablePair());
    for (const [readable] of pairs) loop.addHandler(readable, () => {}, READ);
    const [last, peer] = Socket.pair();
    loop.addHandler(last, () => loop.stop(), READ);
    loop.addCallback(() => loop.addCallback(() => peer.send('x')));
    await loop.start();
    for (const [readable] of pairs) loop.removeHandler(readable);
    closeAll(last, peer, ...pairs.flat());
    t.pass();
  }));
