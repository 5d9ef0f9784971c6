/** The table of sources by itself: what its entries get, and when an index changes hands. */
import { closeSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import {
  Guard,
  HANDLERS,
  capabilities,
  native,
  NativeLoop,
  readiness,
  SourceTable,
  STREAMS,
  type Source,
} from '#internal';
import { IOLoop, IOStream, Socket } from 'ioloop';
import { USUAL, type Capacities } from './helpers/capacities.js';
import { closeAll, pairAt, readablePair } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';

const { EDGE, STALE, READ } = readiness;
const { MODE_RECEIVE, MODE_STREAM, NOT_RECEIVED } = native;

/** A table with its core, whose turns the test runs. */
class Table {
  readonly errors: unknown[] = [];
  readonly failures: unknown[] = [];
  readonly log: string[] = [];
  readonly core: NativeLoop;
  readonly sources: SourceTable;

  constructor(t: ExecutionContext, changed: Partial<Capacities> = {}) {
    this.core = new NativeLoop(capabilities.selectorDescriptor ? 'libuv' : 'thread', 0, true, {
      ...USUAL,
      ...changed,
    });
    this.sources = new SourceTable(
      this.core.handle,
      new Guard((_callback, error) => this.errors.push(error)),
      USUAL.receives,
    );
    t.teardown(() => {
      this.core.close();
    });
  }

  add(name: string, socket: Socket, phase: Source['phase'] = HANDLERS): Entry {
    return new Entry(this, name, socket, phase);
  }

  collect(): void {
    this.sources.prepare();
    this.core.turn(0, this.sources.modes, USUAL.events);
    this.core.completions.sourcesTo(this.sources, (error) => this.failures.push(error));
    this.sources.endStale();
  }

  dispatch(): string[] {
    this.sources.dispatch(HANDLERS);
    this.sources.dispatch(STREAMS);
    return this.log.splice(0);
  }
}

/** An entry that logs what it gets. */
class Entry implements Source {
  readonly index: number;
  readonly phase: Source['phase'];
  readonly mode: number;
  onCollect: () => void = () => {};
  onDispatch: () => void = () => {};
  onEnd: () => void = () => {};
  readonly #log: string[];
  readonly #name: string;

  constructor(table: Table, name: string, socket: Socket, phase: Source['phase']) {
    this.#log = table.log;
    this.#name = name;
    this.phase = phase;
    this.mode = phase === STREAMS ? MODE_STREAM : 0;
    this.index = table.sources.add(this, socket.fd, READ | (phase === STREAMS ? EDGE : 0));
  }

  collect(): void {
    this.onCollect();
  }

  dispatch(_bits: number, result: number): void {
    this.#log.push(result > 0 ? `${this.#name} ${result}` : this.#name);
    this.onDispatch();
  }

  onStale(): void {
    this.#log.push(`${this.#name} lost`);
    this.onEnd();
  }

  onLoopClosed(): void {
    this.#log.push(`${this.#name} closed`);
    this.onEnd();
  }
}

function readable(t: ExecutionContext): Socket {
  const [socket, peer] = readablePair();
  t.teardown(() => {
    closeAll(socket, peer);
  });
  return socket;
}

test('handlers are dispatched before streams, in whatever order they were collected', (t) => {
  const table = new Table(t);
  table.add('stream', readable(t), STREAMS);
  table.add('handler', readable(t));
  table.add('another stream', readable(t), STREAMS);
  table.collect();
  table.sources.dispatch(HANDLERS);
  t.deepEqual(table.log.splice(0), ['handler']);
  t.deepEqual(table.dispatch().toSorted(), ['another stream', 'stream']);
});

test('a report stays that of the entry it was collected for', (t) => {
  const table = new Table(t);
  const first = table.add('first', readable(t));
  table.collect();
  table.sources.remove(first.index);
  const stream = table.add('stream', readable(t), STREAMS);
  table.sources.remove(stream.index);
  const last = table.add('last', readable(t));
  t.deepEqual([stream.index, last.index], [first.index, first.index]);
  // An entry that has ended drops it, as `Handler` and `Channel` do.
  t.deepEqual(table.dispatch(), ['first']);
  table.collect();
  t.deepEqual(table.dispatch(), ['last']);
});

test('nothing is received for a source at an index that was a receiving stream’s', (t) => {
  const table = new Table(t);
  const stream = table.add('stream', readable(t), STREAMS);
  table.sources.setReceiving(stream.index, true);
  t.is(table.sources.modes[stream.index], MODE_STREAM | MODE_RECEIVE);
  table.collect();
  t.deepEqual(table.dispatch(), ['stream 1']);
  table.sources.remove(stream.index);
  const handler = table.add('handler', readable(t));
  t.is(handler.index, stream.index);
  table.collect();
  t.deepEqual(table.dispatch(), ['handler']);
});

for (const phase of [HANDLERS, STREAMS] as const) {
  test(`a source that fails in collect costs the others nothing (phase ${phase})`, (t) => {
    const table = new Table(t);
    for (const name of ['a', 'b', 'c']) {
      table.add(name, readable(t), phase).onCollect = () => {
        if (name === 'b') throw new Error(name);
      };
    }
    table.collect();
    t.deepEqual(table.dispatch().toSorted(), ['a', 'c']);
    t.is(table.failures.length, 1);
  });

  test(`a dispatch that fails goes on with the next source (phase ${phase})`, (t) => {
    const table = new Table(t);
    for (const name of ['a', 'b', 'c']) {
      table.add(name, readable(t), phase).onDispatch = () => {
        if (table.log.length === 2) throw new Error(name);
      };
    }
    table.collect();
    t.throws(() => table.dispatch());
    t.is(table.log.length, 2);
    t.deepEqual(table.dispatch().toSorted(), ['a', 'b', 'c']);
  });
}

for (const fails of [false, true]) {
  test(`a number that was closed and used again ends the old entry${fails ? ', which fails' : ''}`, (t) => {
    const table = new Table(t);
    const socket = readable(t);
    const { fd } = socket;
    const stale = table.add('stale', socket, STREAMS);
    table.sources.setReceiving(stale.index, true);
    table.collect();
    stale.onEnd = () => {
      if (fails) throw new Error('stale');
    };
    closeSync(fd);
    const { at, peer, close } = pairAt(fd);
    peer.send('x');
    const entry = table.add('entry', at);
    t.is(entry.index, stale.index);
    t.is(table.sources.modes[entry.index], 0);
    t.deepEqual(table.log.splice(0), ['stale lost']);
    t.is(table.errors.length, fails ? 1 : 0);
    t.deepEqual(table.dispatch(), ['stale 1']);
    table.collect();
    t.deepEqual(table.dispatch(), ['entry']);
    close();
  });
}

test('an entry that is lost in collect gets no report; the others have theirs', (t) => {
  const table = new Table(t);
  const lost = table.add('stale', readable(t), STREAMS);
  const other = table.add('other', readable(t));
  table.sources.setReceiving(lost.index, true);
  lost.onEnd = () => {
    throw new Error('stale');
  };
  // As the core reports it, once.
  table.sources.collect(lost.index, STALE, NOT_RECEIVED);
  table.sources.collect(other.index, READ, NOT_RECEIVED);
  table.sources.endStale();
  table.sources.collect(lost.index, READ, NOT_RECEIVED);
  t.deepEqual(table.dispatch(), ['stale lost', 'other']);
  t.is(table.sources.modes[lost.index], 0);
  t.is(table.errors.length, 1);
});

test('an entry that the end of a stale one adds keeps its index from the reports of others', (t) => {
  const table = new Table(t);
  const stale = ['a', 'b'].map((name) => table.add(name, readable(t)));
  const ready = table.add('ready', readable(t));
  // The core has freed the indices of both when it reports them.
  for (const { index } of stale) native.loopDeregister(table.core.handle, index);
  const added: Entry[] = [];
  const replace = (): void => {
    if (added.length > 0) return;
    table.sources.remove(ready.index);
    for (const name of ['c', 'd', 'e']) added.push(table.add(name, readable(t)));
  };
  for (const entry of stale) entry.onEnd = replace;
  for (const { index } of stale) table.sources.collect(index, STALE, NOT_RECEIVED);
  table.sources.collect(ready.index, READ, NOT_RECEIVED);
  table.sources.endStale();
  const indices = (entries: readonly Entry[]): number[] =>
    entries.map(({ index }) => index).toSorted();
  t.deepEqual(indices(added), indices([...stale, ready]));
  t.deepEqual(table.dispatch().toSorted(), ['a lost', 'b lost', 'ready']);
  table.collect();
  t.deepEqual(table.dispatch().toSorted(), ['c', 'd', 'e']);
});

test('closing the loop ends every entry, also after one that fails', (t) => {
  const table = new Table(t);
  for (const name of ['a', 'b', 'c']) {
    table.add(name, readable(t), name === 'b' ? STREAMS : HANDLERS).onEnd = () => {
      if (name === 'a') throw new Error(name);
    };
  }
  table.collect();
  table.sources.close();
  t.deepEqual(table.dispatch(), ['a closed', 'b closed', 'c closed']);
  t.is(table.errors.length, 1);
});

test('with capacities of one, each source is reported, and received for by the byte', (t) => {
  const table = new Table(t, { timers: 1, events: 1, submissions: 1, receiveBytes: 1 });
  for (let at = 0; at < 5; at += 1) {
    const { index } = table.add(`s${at}`, readable(t), STREAMS);
    table.sources.setReceiving(index, true);
  }
  const log: string[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    table.collect();
    log.push(...table.dispatch());
  }
  t.deepEqual(log.toSorted(), ['s0 1', 's1 1', 's2 1', 's3 1', 's4 1']);
});

test('in one turn a handler, a stream and a handler have an index in turn', (t) =>
  onLoop(async (loop) => {
    const pairs = [readablePair(), readablePair()];
    const [streamed, streamedPeer] = Socket.pair();
    const [quiet, quietPeer] = readablePair('');
    const heard = await new Promise<string | undefined>((resolve, reject) => {
      pairs.forEach(([socket], at) => {
        loop.addHandler(
          socket,
          () => {
            // The other one has its report, and its index is used by others now.
            for (const [each] of pairs) loop.removeHandler(each);
            const stream = new IOStream(streamed, { loop });
            stream.readBytes(1).catch(() => {});
            stream.close();
            loop.addHandler(quiet, () => resolve(quiet.recv(10)?.toString()), IOLoop.READ);
            loop.addCallback(() => quietPeer.send(`after ${at}`));
            loop.callLater(5, () => reject(new Error('the handler was not called')));
          },
          IOLoop.READ,
        );
      });
    });
    t.regex(heard ?? 'nothing', /^after [01]$/);
    loop.removeHandler(quiet);
    closeAll(...pairs.flat(), streamedPeer, quiet, quietPeer);
  }));
