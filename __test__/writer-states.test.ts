/** The tables of `ts/streams/writer.ts` and its base: any events, on a socket whose peer is slow. */
import assert from 'node:assert/strict';
import v8 from 'node:v8';
import * as fc from 'fast-check';
import test from 'ava';
import { FdWriter, native, SendBatch } from '#internal';
import { IOStream, Socket } from 'ioloop';
import { USUAL } from './helpers/capacities.js';
import { closeAll } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';

type Sending = 'open, none queued' | 'open, queued' | 'blocked' | 'failed';
type Side = 'open' | 'ending' | 'ended' | 'closed';
const STATES: readonly (Sending | Side)[] = [
  'open, none queued',
  'open, queued',
  'blocked',
  'failed',
  'open',
  'ending',
  'ended',
  'closed',
];

type Step =
  | { readonly what: 'write'; readonly count: number }
  | { readonly what: 'tick end' | 'continue' | 'writable' | 'take' }
  | { readonly what: 'shutdown' | 'close' | 'peer closes' };
const what = <T extends string>(...names: T[]): fc.Arbitrary<T> => fc.constantFrom(...names);
const small = fc.integer({ min: 0, max: 16 });
const large = fc.integer({ min: 4097, max: 30_000 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ what: what('write'), count: small }) },
  { weight: 4, arbitrary: fc.record({ what: what('write'), count: large }) },
  { weight: 8, arbitrary: fc.record({ what: what('tick end', 'continue', 'writable', 'take') }) },
  { weight: 1, arbitrary: fc.record({ what: what('shutdown', 'close', 'peer closes') }) },
);

const BATCH_BYTES = 1024;
const HIGH = 20_000;
const LOW = 5000;

interface Write {
  /** Bytes written up to its end. */
  readonly end: number;
  readonly isTaken: boolean;
  outcome: 'resolved' | 'rejected' | null;
}

/** What the writer has asked its loop for. */
interface Asked {
  flush: boolean;
  tickEnd: boolean;
  continue: boolean;
}

class Batch extends SendBatch {
  isFlushing = false;
  readonly #asked: Asked;

  constructor(asked: Asked) {
    super(BATCH_BYTES, 3, (error) => assert.fail(error as Error));
    this.#asked = asked;
  }

  override flush(): void {
    this.#asked.flush = false;
    this.isFlushing = true;
    super.flush();
    this.isFlushing = false;
  }
}

/** A writer without a loop: its events are steps of the test. */
class Run {
  readonly #mine: Socket;
  readonly #peer: Socket;
  readonly #asked: Asked = { flush: false, tickEnd: false, continue: false };
  readonly #batch = new Batch(this.#asked);
  readonly #take: () => FdWriter;
  /** `null` while the owner has forgotten it. */
  #own: FdWriter | null = null;
  /** Whether the owner forgets the writer the next time: every other time. */
  #forgets = false;
  /** A call of the writer is running. */
  #isWriting = false;
  readonly #visit: (state: Sending | Side) => void;
  #sending: Sending = 'open, none queued';
  #side: Side = 'open';
  readonly #writes: Write[] = [];
  #written = 0;
  #received = 0;
  #isCongested = false;

  constructor(visit: (state: Sending | Side) => void) {
    [this.#mine, this.#peer] = Socket.pair();
    this.#mine.setOption('sendBuffer', 4096);
    this.#visit = visit;
    const asked = this.#asked;
    const sink = {
      fd: this.#mine.fd,
      mode: native.MODE_STREAM,
      isFile: false,
      failure: 0,
      sent: 0,
      connected: true,
      batch: this.#batch,
      sendBudget: USUAL.sendBudget,
      queueFlush: () => void (asked.flush = true),
      onFull: () => {},
      atTickEnd: () => void (asked.tickEnd = true),
      continueLater: () => void (asked.continue = true),
      countSent: () => {},
      regain: () => assert.fail('nothing is lent'),
    };
    const owner = {
      onWriteError: () => this.#onFailed(),
      onFailure: (error: Error) => assert.fail(error),
      retryLater: () => assert.fail('no memory'),
      endWriting: () => {
        this.#mine.shutdown('write');
        return null;
      },
      forgets: (writer: unknown) => {
        assert.equal(writer, this.#own);
        assert.ok(this.#side === 'open' && this.#writer.buffered === 0 && !this.#writer.congested);
        assert.ok(!this.#isWriting, 'a writer is given away in the middle of its work');
        this.#forgets = !this.#forgets;
        if (this.#forgets) this.#own = null;
        return this.#forgets;
      },
      onWriteEnd: () => void (this.#side = 'ended'),
      onProgress: () => {},
      onDrained: () => {},
      closedError: () => new Error('closed'),
    };
    const limits = { maxBufferSize: Infinity, highWaterMark: HIGH, lowWaterMark: LOW, staged: 0 };
    this.#take = () => FdWriter.take(owner, sink, limits);
  }

  get #writer(): FdWriter {
    return (this.#own ??= this.#take());
  }

  async perform(step: Step): Promise<void> {
    const { buffered } = this.#writer;
    if (step.what === 'write') this.#write(step.count);
    else if (step.what === 'take') this.#receive();
    else if (step.what === 'close') this.#close();
    else if (step.what === 'peer closes') this.#peer.close();
    else this.#notify(step.what);
    this.#follow(step, buffered);
    for (let count = 0; count < 4; count += 1) await Promise.resolve();
    this.#compare(step.what);
  }

  end(): void {
    this.#writer.close();
    closeAll(this.#mine);
    if (!this.#peer.closed) this.#peer.close();
  }

  #write(count: number): void {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; at += 1) bytes[at] = (this.#written + at) % 251;
    const isTaken = this.#side === 'open';
    const write: Write = { end: this.#written + count, isTaken, outcome: null };
    if (isTaken) this.#written += count;
    this.#isWriting = true;
    this.#writer.write(bytes).then(
      () => (write.outcome = 'resolved'),
      () => (write.outcome = 'rejected'),
    );
    this.#isWriting = false;
    this.#writes.push(write);
    if (isTaken && this.#writer.buffered > HIGH) this.#isCongested = true;
    // Up to 4 KiB were copied.
    if (count <= 4096) bytes.fill(255);
  }

  #notify(event: 'tick end' | 'continue' | 'writable' | 'shutdown'): void {
    const writer = this.#writer;
    if (event === 'tick end') {
      this.#batch.flush();
      this.#asked.tickEnd = false;
      writer.onTickEnd();
    } else if (event === 'continue') {
      this.#asked.continue = false;
      writer.onContinue();
    } else if (event === 'writable') {
      writer.onWritable();
    } else {
      if (this.#side === 'open') this.#side = 'ending';
      writer.shutdown().catch(() => {});
    }
    if (writer.buffered <= LOW) this.#isCongested = false;
  }

  #close(): void {
    this.#side = 'closed';
    this.#writer.close();
  }

  /** Within the report of an error: what is written now is not sent, and rejects. */
  #onFailed(): void {
    assert.ok(this.#peer.closed);
    if (this.#batch.isFlushing) this.#visit('failed');
    if (this.#side === 'open') this.#writer.write('late').catch(() => {});
    assert.ok(this.#batch.hasRoom(BATCH_BYTES), 'a write after a failure goes to the batch');
    this.#close();
  }

  /** The next state: what the writer has left, and what it waits for. */
  #follow({ what: name }: Step, before: number): void {
    const { buffered } = this.#writer;
    const { flush, tickEnd, continue: more } = this.#asked;
    if (this.#side === 'closed') return;
    if (this.#sending === 'blocked' && name !== 'writable') {
      assert.ok(!flush, 'a write while blocked goes to the batch');
      assert.ok(buffered >= before, 'bytes are sent while blocked');
      return;
    }
    if (buffered === 0) this.#sending = 'open, none queued';
    else if (tickEnd || more) this.#sending = 'open, queued';
    // What is left without any event to come is left by a kernel that is full.
    else this.#sending = flush ? 'open, none queued' : 'blocked';
  }

  #receive(): void {
    if (this.#peer.closed) return;
    for (;;) {
      const bytes = this.#peer.recv(100_000);
      if (bytes === null || bytes.length === 0) return;
      for (const byte of bytes) assert.equal(byte, this.#received++ % 251);
    }
  }

  #compare(name: string): void {
    const { buffered, congested, isEnding } = this.#writer;
    const at = `after ${name}: ${this.#sending}, ${this.#side}, ${buffered} bytes`;
    const isClosed = this.#side === 'closed';
    assert.equal(isEnding, this.#side === 'ending', at);
    // FIN goes out with the last byte.
    assert.ok(this.#side !== 'ending' || buffered > 0, at);
    assert.ok(this.#side !== 'ended' || buffered === 0, at);
    if (!isClosed) assert.equal(congested, this.#isCongested, at);
    const sent = this.#written - buffered;
    for (const { end, isTaken, outcome } of this.#writes) {
      if (!isTaken) assert.equal(outcome, 'rejected', at);
      else if (isClosed) assert.notEqual(outcome, null, at);
      else if (outcome === 'resolved') assert.ok(end <= sent, at);
      else assert.ok(outcome === null && buffered > 0, at);
    }
    this.#visit(this.#sending);
    this.#visit(this.#side);
  }
}

test('any events leave a writer in the states of its tables, and reach all of them', async (t) => {
  const visited = new Set<Sending | Side>();
  const steps = fc.array(anyStep, { maxLength: 40, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const run = new Run((state) => visited.add(state));
      try {
        for (const step of list) await run.perform(step);
      } finally {
        run.end();
      }
    }),
    { numRuns: 500, includeErrorInReport: true },
  );
  t.deepEqual([...visited].toSorted(), [...STATES].toSorted());
});

// Counts the objects of the whole process.
test.serial('a stream that is only asked about its writes has no writer', (t) =>
  onLoop(async (loop) => {
    const writers = (): number => v8.queryObjects(FdWriter, { format: 'count' });
    const before = writers();
    const [near, far] = Socket.pair().map((socket) => new IOStream(socket, { loop }));
    assert.ok(near !== undefined && far !== undefined);
    t.is(near.writeBufferSize, 0);
    t.false(near.congested);
    t.false(near.writing);
    t.is(writers(), before);
    near.close();
    far.close();
    t.is(far.writeBufferSize, 0);
    t.false(far.congested);
  }),
);

test.serial('streams that have sent everything share writers', (t) =>
  onLoop(async (loop) => {
    const writers = (): number => v8.queryObjects(FdWriter, { format: 'count' });
    const before = writers();
    const pairs = Array.from({ length: 10 }, () =>
      Socket.pair().map((socket) => new IOStream(socket, { loop })),
    ) as [IOStream, IOStream][];
    for (const [near, far] of pairs) {
      await near.write('small');
      await near.write(Buffer.alloc(10_000));
      await far.readBytes(10_005);
    }
    t.true(writers() <= before + 1);
    // All at once: each has its own, and gets its own promises.
    await Promise.all(pairs.map(([near], at) => near.write(String(at))));
    for (const [at, [near, far]] of pairs.entries()) {
      t.is(String(await far.readBytes(1)), String(at));
      near.close();
      far.close();
    }
    t.true(writers() <= Math.max(before, 10));
  }),
);
