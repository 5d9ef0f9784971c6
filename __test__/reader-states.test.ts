/** The tables of `ts/streams/reader.ts`: any events, and a model that has nothing but the tables. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test from 'ava';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { ReaderBench, readOf, UNTIL_EOF, type WireEnd } from './stream-model/reader-bench.js';

type Input = 'open' | 'lost' | 'closed' | 'eof' | 'eof reported' | 'eof, closed';
type State = 'idle' | 'waiting' | 'serving' | Input;
const STATES: readonly State[] = [
  'idle',
  'waiting',
  'serving',
  'open',
  'lost',
  'closed',
  'eof',
  'eof reported',
  'eof, closed',
];

type Serving = 'nothing' | 'cancel' | 'close' | 'read';
type Event =
  | { readonly what: 'read'; readonly count: number }
  | { readonly what: 'arrive'; readonly count: number; readonly serving: Serving }
  | { readonly what: 'end'; readonly end: WireEnd; readonly serving: Serving }
  | { readonly what: 'cancel' | 'close' | 'continue' | 'tick end' | 'lose' | 'deliver' };

const few = fc.integer({ min: 1, max: 12 });
const what = <T extends string>(...names: T[]): fc.Arbitrary<T> => fc.constantFrom(...names);
const anyServing = what<Serving>('nothing', 'nothing', 'nothing', 'cancel', 'close', 'read');
const anyEnd = what<WireEnd>('eof', 'reset');
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ what: what('read'), count: few }) },
  { weight: 1, arbitrary: fc.record({ what: what('read'), count: fc.constant(UNTIL_EOF) }) },
  { weight: 8, arbitrary: fc.record({ what: what('arrive'), count: few, serving: anyServing }) },
  { weight: 1, arbitrary: fc.record({ what: what('end'), end: anyEnd, serving: anyServing }) },
  { weight: 2, arbitrary: fc.record({ what: what('cancel', 'lose', 'deliver') }) },
  { weight: 4, arbitrary: fc.record({ what: what('continue', 'tick end') }) },
  { weight: 1, arbitrary: fc.record({ what: what('close') }) },
);

interface Pending {
  readonly count: number;
  outcome: string | null;
}

/** One reader, and the state that the tables say it is in. */
class Run {
  readonly #bench: ReaderBench;
  readonly #chunk: number;
  readonly #visit: (state: State) => void;
  #input: Input = 'open';
  #waiting: Pending | null = null;
  /** Bytes that came, and those that results have had: each has its number. */
  #sent = 0;
  #read = 0;

  constructor(chunk: number, visit: (state: State) => void) {
    this.#bench = new ReaderBench(chunk, 1000);
    this.#chunk = chunk;
    this.#visit = visit;
  }

  /** Bytes that a read can have. A stream that is not open has those in its buffer. */
  get #unread(): number {
    const { reader, wire } = this.#bench;
    return reader.buffered + (this.#input === 'open' ? wire.bytes.length : 0);
  }

  async perform(event: Event): Promise<void> {
    if (event.what === 'read') this.#onRead(event.count);
    else if (event.what === 'arrive') this.#onArrive(event.count, event.serving);
    else if (event.what === 'end') this.#onWireEnd(event.end, event.serving);
    else if (event.what === 'cancel') this.#onCancel();
    else if (event.what === 'close') this.#onClose();
    else if (event.what === 'continue') this.#onContinue();
    else if (event.what === 'lose') this.#onLose();
    else if (event.what === 'deliver') this.#onDeliver();
    else this.#bench.reader.onTickEnd();
    await microtasks();
    this.#compare(event);
  }

  #onRead(count: number): void {
    const { reader } = this.#bench;
    const isSecond = this.#waiting !== null;
    const canServe = count <= this.#unread;
    const { end } = this.#bench.wire;
    const pending = this.#start(count);
    if (isSecond) this.#expect(pending, 'reading');
    else if (canServe) this.#expect(pending, 'bytes');
    else if (this.#input === 'open' && end === 'nothing') this.#waiting = pending;
    else {
      if (this.#input === 'lost') this.#input = 'closed';
      if (this.#input === 'open') this.#input = end === 'eof' ? 'eof reported' : 'closed';
      this.#expect(pending, this.#endOf(count));
    }
    assert.equal(reader.reading, this.#waiting !== null);
  }

  #start(count: number): Pending {
    const pending: Pending = { count, outcome: null };
    const seen = (ended: boolean): void => {
      if (ended && this.#bench.eofs === 0) this.#visit('eof');
    };
    this.#bench.reader.read(readOf(count, seen)).then(
      (bytes) => {
        pending.outcome = 'bytes';
        if (count !== UNTIL_EOF) assert.equal(bytes.length, count);
        for (const byte of bytes) assert.equal(byte, this.#read++ % 251);
      },
      (error: Error & { code?: string }) => {
        pending.outcome = error.code === 'ERR_IOLOOP_READING' ? 'reading' : error.message;
      },
    );
    return pending;
  }

  #onArrive(count: number, serving: Serving): void {
    const { wire, reader } = this.#bench;
    if (wire.end !== 'nothing' || this.#input !== 'open') return;
    const added = Buffer.from(Array.from({ length: count }, () => this.#sent++ % 251));
    wire.bytes = Buffer.concat([wire.bytes, added]);
    const waiting = this.#waiting;
    const isClosed = this.#turn(serving);
    if (waiting === null) return;
    // Serving: the result, or the end, or on it waits.
    const left = this.#unread + (reader.reading ? 0 : waiting.count);
    if (left >= waiting.count && !reader.reading) this.#end(isClosed ? 'any' : 'bytes');
    else assert.ok(this.#unread < waiting.count, 'it waits although its bytes are there');
  }

  /** A turn, and what the program does while a read is being served: whether it closes. */
  #turn(serving: Serving): boolean {
    const { wire, reader } = this.#bench;
    let isClosed = false;
    wire.onRead = () => {
      assert.ok(reader.reading);
      this.#visit('serving');
      if (serving === 'cancel') reader.cancel(new Error('cancelled while serving'));
      if (serving === 'read') this.#expect(this.#start(1), 'reading');
      if (serving === 'close') this.#bench.close('program');
      isClosed = serving === 'close';
    };
    this.#bench.turn();
    wire.onRead = null;
    if (isClosed) this.#input = 'closed';
    return isClosed;
  }

  #onWireEnd(end: WireEnd, serving: Serving): void {
    const { wire } = this.#bench;
    if (wire.end !== 'nothing' || this.#input !== 'open') return;
    wire.end = end;
    const receives = wire.demanded === 2 && wire.bytes.length === 0;
    if (this.#turn(serving)) {
      this.#end('closed');
      return;
    }
    // It is found by a read that waits, and by the receive of a turn; else the next turn looks ahead.
    if (this.#waiting !== null || receives) this.#find(end);
    else assert.ok(wire.isContinuing);
  }

  #find(end: WireEnd): void {
    this.#input = end === 'eof' ? 'eof reported' : 'closed';
    if (this.#waiting !== null) this.#end(this.#endOf(this.#waiting.count));
  }

  #onCancel(): void {
    this.#bench.reader.cancel(new Error('cancelled'));
    if (this.#waiting !== null) this.#end('cancelled');
  }

  #onClose(): void {
    this.#bench.close('program');
    if (this.#input === 'open' || this.#input === 'lost') this.#input = 'closed';
    if (this.#input === 'eof reported') this.#input = 'eof, closed';
    if (this.#waiting !== null) this.#end('closed');
  }

  #onContinue(): void {
    const { wire, reader, hangUps } = this.#bench;
    if (!wire.isContinuing) return;
    wire.isContinuing = false;
    const looksAhead = this.#waiting === null && this.#input === 'open' && wire.peerClosed;
    const isFar = this.#unread >= this.#chunk;
    reader.onContinue();
    if (!looksAhead) return;
    if (isFar) assert.equal(this.#bench.hangUps, hangUps + 1);
    else this.#find(wire.end);
  }

  #onLose(): void {
    // With an empty buffer nothing is copied, and nothing can fail.
    if (this.#input !== 'open' || this.#bench.reader.buffered === 0) return;
    this.#bench.failToStore();
    this.#input = 'lost';
  }

  #onDeliver(): void {
    if (this.#input !== 'lost') return;
    this.#bench.reader.onStored();
    this.#input = 'closed';
    if (this.#waiting !== null) this.#end('closed');
  }

  /** The outcome of a read that gets no more bytes. */
  #endOf(count: number): string {
    if (this.#input === 'closed') return 'closed';
    return count === UNTIL_EOF ? 'bytes' : 'ended';
  }

  readonly #expected: { readonly pending: Pending; readonly outcome: string }[] = [];

  #expect(pending: Pending, outcome: string): void {
    this.#expected.push({ pending, outcome });
  }

  #end(outcome: string): void {
    this.#expect(this.#waiting as Pending, outcome);
    this.#waiting = null;
  }

  /** What can be seen is what the tables say. */
  #compare({ what: name }: Event): void {
    const { reader, eofs, closedFor, wire } = this.#bench;
    const at = `after ${name}: ${this.#input}`;
    for (const { pending, outcome } of this.#expected.splice(0)) {
      if (outcome === 'any') assert.ok(pending.outcome === 'bytes' || pending.outcome === 'closed');
      else assert.equal(pending.outcome, outcome, at);
    }
    if (this.#waiting !== null) assert.equal(this.#waiting.outcome, null, at);
    assert.equal(reader.reading, this.#waiting !== null, at);
    const isEnded = this.#input === 'eof reported' || this.#input === 'eof, closed';
    assert.equal(reader.ended, isEnded, at);
    assert.equal(eofs, isEnded ? 1 : 0, at);
    const isClosed = this.#input === 'closed' || this.#input === 'eof, closed';
    assert.equal(closedFor !== undefined, isClosed, at);
    if (this.#input === 'open') assert.equal(this.#sent - this.#read, this.#unread, at);
    // Otherwise what is there already would never be found. A full buffer is read first.
    const isEndWanted = wire.peerClosed && reader.buffered < this.#chunk;
    const isWanted = this.#waiting !== null || isEndWanted;
    if (this.#input === 'open' && wire.readable && isWanted) assert.ok(wire.isContinuing, at);
    this.#visit(this.#waiting === null ? 'idle' : 'waiting');
    this.#visit(this.#input);
  }
}

async function microtasks(): Promise<void> {
  for (let count = 0; count < 3; count += 1) await Promise.resolve();
}

test.serial('any events leave a reader in the states of its tables, and reach all of them', (t) =>
  // The turn of the bench receives as many bytes as usual.
  withCapacities(USUAL, async () => {
    const visited = new Set<State>();
    const events = fc.array(anyEvent, { maxLength: 40, size: 'max' });
    // Chunks smaller than what a turn receives are read by the reader itself.
    const chunk = fc.constantFrom(1, 4, 65_536);
    await fc.assert(
      fc.asyncProperty(chunk, events, async (size, list) => {
        const run = new Run(size, (state) => visited.add(state));
        for (const event of list) await run.perform(event);
      }),
      { numRuns: 2000, includeErrorInReport: true },
    );
    t.deepEqual([...visited].toSorted(), [...STATES].toSorted());
  }),
);
