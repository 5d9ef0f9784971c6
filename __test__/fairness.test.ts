/** A busy loop starves neither Node's own work, nor its own callbacks, nor another source. */
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { IOLoop, Socket, type Connection } from 'ioloop';
import { closeAll, readablePair } from './helpers/fds.js';
import { countCalls, onLoop, runTurns, withLoop } from './helpers/loop.js';
import { ownSockets } from './helpers/sockets-of.js';
import { localPair } from './helpers/streams.js';

const { READ, WRITE } = IOLoop;

async function withServer(body: (url: string) => Promise<void>): Promise<void> {
  const server: Server = createServer((_, response) => response.end('served'));
  // A slow client would find its connection closed.
  server.keepAliveTimeout = 0;
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

/** Work that keeps a loop turning until it is ended. */
interface Storm {
  readonly turns: number;
  end(): void;
}

/** A source that is ready in every turn. */
function ready([source, peer]: readonly [Socket, Socket], interest: number, loop: IOLoop): Storm {
  const counter = countCalls(loop, source, () => {}, interest);
  return {
    get turns() {
      return counter.calls;
    },
    end() {
      loop.removeHandler(source);
      closeAll(source, peer);
    },
  };
}

/** A function that adds itself again; it is over with its loop. */
function again(add: (callback: () => void) => void): Storm {
  const storm = { turns: 0, end() {} };
  const run = (): void => {
    storm.turns += 1;
    add(run);
  };
  add(run);
  return storm;
}

const STORMS: Readonly<Record<string, (loop: IOLoop) => Storm>> = {
  'a handler that never reads': (loop) => ready(readablePair(), READ, loop),
  'a handler with room to write': (loop) => ready(Socket.pair(), WRITE, loop),
  'a callback that adds itself': (loop) => again((callback) => loop.addCallback(callback)),
  'a timeout in the past that adds itself': (loop) =>
    again((callback) => loop.callLater(-1, callback)),
};

for (const [name, begin] of Object.entries(STORMS)) {
  test(`${name} does not starve Node's timers, setImmediate, http and fetch`, (t) =>
    withLoop((loop) =>
      withServer(async (url) => {
        const storm = begin(loop);
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
        t.true(storm.turns > 3);
        storm.end();
        loop.stop();
        await running;
      }),
    ));

  test(`${name} does not starve the callbacks, timeouts and handlers of its loop`, (t) =>
    withLoop(async (loop) => {
      const storm = begin(loop);
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
      storm.end();
      closeAll(readable, peer);
    }));

  test(`${name} does not starve another loop of the thread`, (t) =>
    withLoop((busy) =>
      withLoop(async (other) => {
        const storm = begin(busy);
        const running = busy.start();
        await runTurns(other, 10);
        other.callLater(0.002, () => other.stop());
        await other.start();
        busy.stop();
        await running;
        t.true(storm.turns > 3);
        storm.end();
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
    const counter = countCalls(loop, readable, () => loop.stop());
    loop.callLater(0.005, () => peer.send('x'));
    await loop.start();
    storming = false;
    t.is(counter.calls, 1);
    closeAll(readable, peer);
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

test('a source that is ready last is served among many that are not read', (t) =>
  withLoop(async (loop) => {
    const pairs = Array.from({ length: 1200 }, () => readablePair());
    const unread = pairs.map(([readable]) => readable);
    const others = countCalls(loop, unread);
    const [last, peer] = Socket.pair();
    const counter = countCalls(loop, last, () => loop.stop());
    loop.addCallback(() => loop.addCallback(() => peer.send('x')));
    await loop.start();
    t.is(counter.calls, 1);
    t.true(others.calls > 0);
    for (const readable of unread) loop.removeHandler(readable);
    closeAll(last, peer, ...pairs.flat());
  }));

test('turns of many streams follow each other, and Node has its share all the same', (t) =>
  onLoop(async (loop) => {
    const pairs = Array.from({ length: 20 }, () => localPair(loop));
    // Each message is sent back and forth: there is always something to read.
    const back = {
      data: (connection: Connection, chunk: Buffer) => void connection.write(chunk),
    };
    const connections = pairs.flat().map((stream) => stream.setProtocol(back));
    for (const [at, connection] of connections.entries()) if (at % 2 === 0) connection.write('x');
    // The thread driver calls as often as there is something.
    const inRows = ownSockets && loop.driver === 'libuv';
    let most = 0;
    let rounds = 0;
    let before = loop.metrics().turns;
    const isSeen = (): boolean => rounds >= 300 && (most > 1 || !inRows);
    while (!isSeen()) {
      await new Promise((resolve) => setImmediate(resolve));
      const { turns } = loop.metrics();
      most = Math.max(most, turns - before);
      before = turns;
      rounds += 1;
    }
    if (inRows) t.true(most <= 7, `${most} turns without a round of Node's loop`);
    else t.true(most > 0);
    for (const connection of connections) connection.close();
  }));
