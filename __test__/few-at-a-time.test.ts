/**
 * A turn of many streams, whose code answers: it receives for a few, sends their answers, and goes on with
 * the next few. All of them were ready when it began.
 */
import test from 'ava';
import { IOStream, Socket, type Connection, type IOLoop, type Protocol } from 'ioloop';
import { withCapacities } from './helpers/capacities.js';
import { until } from './helpers/fds.js';
import { onLoop, takeReports, withLoop, type ReportingLoop } from './helpers/loop.js';

const MANY = 7;
const CAPACITIES = { receives: 2, events: 1024, sendRecords: 1024, receiveBlock: 131_072 } as const;

type Data = (connection: Connection<number>, chunk: Buffer) => void;

/** Connections of one protocol, by number. Their peers are sockets, which nothing but {@link Many.look} reads. */
class Many {
  readonly connections: Connection<number>[] = [];
  readonly peers: Socket[] = [];
  /** What each peer has got. */
  readonly got: string[] = [];
  /** Connections that the test closes with unread bytes: their peers are reset. */
  readonly gone = new Set<number>();
  /** `number: chunk` of each call of `data`, and `number closed`. */
  readonly calls: string[] = [];
  onData: Data = (connection, chunk) => void connection.write(chunk);
  readonly #loop: IOLoop;
  readonly #protocol: Protocol<number> = {
    data: (connection, chunk) => {
      this.calls.push(`${connection.state}: ${String(chunk)}`);
      this.onData(connection, chunk);
    },
    close: ({ state }) => void this.calls.push(`${state} closed`),
  };

  constructor(loop: IOLoop) {
    this.#loop = loop;
    for (let at = 0; at < MANY; at += 1) this.add();
  }

  /** One more: its peer. */
  add(): Socket {
    const [mine, peer] = Socket.pair();
    const stream = new IOStream(mine, { loop: this.#loop });
    const connection = stream.setProtocol(this.#protocol) as Connection<unknown>;
    connection.state = this.connections.length;
    this.connections.push(connection as Connection<number>);
    this.peers.push(peer);
    this.got.push('');
    return peer;
  }

  /** The number of peers that have got something. */
  look(): number {
    for (const [at, peer] of this.peers.entries()) {
      if (!this.gone.has(at)) this.got[at] += String(peer.recv(100) ?? '');
    }
    return this.got.filter((text) => text !== '').length;
  }

  /** Sends to all in one piece of code: the next turn finds all ready. */
  sendAll(text: string): void {
    for (const peer of this.peers) peer.send(Buffer.from(text));
  }

  /** All answer once, so that the next turn receives for a few at a time. Their numbers, in the order of a turn. */
  async warm(): Promise<number[]> {
    this.sendAll('warm');
    await until(() => this.look() === MANY, 'the answers');
    this.got.fill('');
    return this.calls.splice(0).map((call) => Number.parseInt(call, 10));
  }

  end(): void {
    for (const connection of this.connections) connection.close();
    for (const peer of this.peers) peer.close();
  }
}

function withMany(body: (many: Many, loop: ReportingLoop) => Promise<void>): Promise<void> {
  return onLoop(
    async (loop) => {
      const many = new Many(loop);
      try {
        await body(many, loop);
      } finally {
        many.end();
      }
    },
    { capacities: CAPACITIES },
  );
}

// Serial: the capacities are those of the thread.
test.serial('answers leave before the code of the next few streams runs, in one turn', (t) =>
  withMany(async (many, loop) => {
    await many.warm();
    const answered: number[] = [];
    const turns = new Set<number>();
    many.onData = (connection, chunk) => {
      answered.push(many.look());
      turns.add(loop.metrics().turns);
      connection.write(chunk);
    };
    many.sendAll('x');
    await until(() => many.look() === MANY, 'the answers');
    t.deepEqual(answered, [0, 0, 2, 2, 4, 4, 6]);
    t.is(turns.size, 1);
    t.deepEqual(
      many.got,
      Array.from(many.got, () => 'x'),
    );
  }),
);

test.serial('what is written to all of them leaves once, when the code of all has run', (t) =>
  withMany(async (many) => {
    const toAll: Data = (_connection, chunk) => {
      for (const each of many.connections) each.write(chunk);
    };
    many.onData = toAll;
    many.sendAll('a');
    await until(() => many.look() === MANY, 'the first round');
    await until(
      () => many.look() > 0 && many.got.every((text) => text.length === MANY),
      'all of it',
    );
    const answered: number[] = [];
    many.got.fill('');
    many.onData = (connection, chunk) => {
      answered.push(many.look());
      toAll(connection, chunk);
    };
    many.sendAll('b');
    await until(
      () => many.look() > 0 && many.got.every((text) => text.length === MANY),
      'all of it',
    );
    t.deepEqual(
      answered,
      Array.from(answered, () => 0),
    );
    t.is(answered.length, MANY);
  }),
);

test.serial('an exception closes its connection, and the others are served', (t) =>
  withMany(async (many, loop) => {
    const [first = 0, , third = 0] = await many.warm();
    const failing = [first, third];
    many.onData = (connection, chunk) => {
      if (failing.includes(connection.state)) throw new Error(`of ${connection.state}`);
      connection.write(chunk);
    };
    many.sendAll('x');
    await until(() => many.look() === MANY - 2, 'the answers');
    await until(() => many.calls.length === MANY + 2, 'two closes');
    t.deepEqual(
      takeReports(loop).map(({ error }) => (error as Error).message),
      failing.map((number) => `of ${number}`),
    );
  }),
);

test.serial(
  'a stream that is closed before its turn: its place and its number may be another one',
  (t) =>
    withMany(async (many) => {
      const order = await many.warm();
      const [first, last = 0] = [order[0], order.at(-1)];
      const added: Socket[] = [];
      many.onData = (connection, chunk) => {
        if (connection.state === first && added.length === 0) {
          many.gone.add(last);
          many.connections[last]?.close();
          // It gets the number and the index.
          added.push(many.add());
          added[0]?.send(Buffer.from('new'));
        }
        connection.write(chunk);
      };
      many.sendAll('x');
      await until(() => many.look() === MANY, 'the answers');
      const of = (number: number): string[] =>
        many.calls.filter((call) => call.startsWith(`${number}`));
      t.deepEqual(of(last), [`${last} closed`]);
      t.deepEqual(of(MANY), [`${MANY}: new`]);
      t.is(many.got[MANY], 'new');
      t.is(many.got[last], '');
    }),
);

test.serial('a stream that is paused before its turn keeps its bytes', (t) =>
  withMany(async (many) => {
    const order = await many.warm();
    const last = many.connections[order.at(-1) ?? 0] as Connection<number>;
    many.onData = (connection, chunk) => {
      if (connection.state === order[0]) last.pause();
      connection.write(chunk);
    };
    many.sendAll('x');
    await until(() => many.look() === MANY - 1, 'the other answers');
    t.is(many.calls.length, MANY - 1);
    many.peers[last.state]?.send(Buffer.from('y'));
    last.resume();
    await until(() => many.got[last.state] === 'xy' || many.look() < 0, 'the paused bytes');
    t.pass();
  }),
);

test.serial('a read that begins before the turn of its stream gets the bytes in their order', (t) =>
  withMany(async (many) => {
    const order = await many.warm();
    const last = many.connections[order.at(-1) ?? 0] as Connection<number>;
    const { state } = last;
    const read: Promise<Buffer>[] = [];
    const streams: IOStream[] = [];
    many.onData = (connection, chunk) => {
      if (connection.state === order[0]) {
        const stream = last.toStream();
        streams.push(stream);
        read.push(stream.readBytes(6));
      }
      connection.write(chunk);
    };
    many.sendAll('one');
    await until(() => many.look() === MANY - 1, 'the other answers');
    many.peers[state]?.send(Buffer.from('two'));
    t.is(String(await read[0]), 'onetwo');
    for (const stream of streams) stream.close();
  }),
);

test.serial('a loop that is stopped by the first serves the others before it ends', async (t) => {
  const many = await withCapacities(CAPACITIES, () =>
    withLoop(async (loop) => {
      const few = new Many(loop);
      await loop.runSync(() => few.warm());
      few.onData = (connection, chunk) => {
        loop.stop();
        connection.write(chunk);
      };
      few.sendAll('x');
      await loop.start();
      few.look();
      few.end();
      return few;
    }),
  );
  t.deepEqual(
    many.got,
    Array.from(many.got, () => 'x'),
  );
});

test.serial('EOF and resets of streams that wait for their turn are reported once', (t) =>
  withMany(async (many) => {
    const order = await many.warm();
    const last = order.at(-1) ?? 0;
    many.sendAll('x');
    many.peers[last]?.shutdown('write');
    await until(() => many.look() === MANY, 'the answers');
    await until(() => many.calls.length === MANY + 1, 'the close');
    t.deepEqual(
      many.calls.filter((call) => call.startsWith(`${last}`)),
      [`${last}: x`, `${last} closed`],
    );
  }),
);
