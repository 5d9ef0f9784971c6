/**
 * The bytes of an `IOStreamDuplex`: from its stream to its readable side, and from its writes.
 *
 * A chunk and the end of a write cost no promise each: a server of `node:http` has two of them for a
 * request. Listeners and callbacks run in the async context of a `net.Socket`: the one in which the
 * duplex was made, and that of the write.
 */
import { capture, scopeOf, type Context } from '../../loop/async-context.js';
import { ioOf } from '../../loop/internals.js';
import type { DeferredWork, LoopIO } from '../../loop/io.js';
import { monotonic, nextTick, setImmediate } from '../../support/host.js';
import { readBytes, type Read } from '../reads.js';
import type { Settler } from '../reader.js';
import type { Stream } from '../stream.js';
import { bytesOfChunks, type DuplexChunk } from './duplex-chunks.js';
import { guard, reasonOf, throwLater, type WriteCallback } from './duplex-endings.js';
import { isPausedByHttp, type HttpConnection } from './http-connections.js';
import type { IdleTimer } from './idle-timer.js';

/** A duplex, as its flow needs it. */
type FlowDuplex = HttpConnection & { bytesRead: number };

/** One read and one write of the stream at a time, as `Duplex` asks for them. */
export class DuplexFlow implements Settler<Buffer>, DeferredWork {
  /** Restarts with each chunk; `null` before the first idle timeout. */
  timer: IdleTimer | null = null;
  readonly #duplex: FlowDuplex;
  readonly #core: Stream;
  readonly #io: LoopIO;
  readonly #read: Read<Buffer>;
  readonly #context = capture();
  /** The result of a read, until the microtask that delivers it. */
  #chunk: Buffer | null = null;
  #failure: Error | null = null;
  /** The callback of the write that was given to the stream, and its context; `null` without one. */
  #done: WriteCallback | null = null;
  #doneContext: Context = null;
  /** Bytes given to the stream. */
  #dispatched = 0;

  constructor(duplex: FlowDuplex, core: Stream) {
    this.#duplex = duplex;
    this.#core = core;
    this.#io = ioOf(core.loop);
    this.#read = readBytes(Math.min(CHUNK, core.limits.maxBufferSize), true);
  }

  get bytesWritten(): number {
    const { writableBuffer } = this.#duplex as unknown as { writableBuffer: DuplexChunk[] };
    return this.#dispatched + bytesOfChunks(writableBuffer);
  }

  /** Reads a chunk, for `_read()`. */
  readonly receive = (): void => {
    const { reader } = this.#core;
    if (!reader.reading) reader.readTo(this.#read, this);
  };

  /** The chunk of a read. */
  resolve(chunk: Buffer): void {
    this.#chunk = chunk;
    deliverSoon(this);
  }

  /** The failure of a read. */
  reject(error: unknown): void {
    this.#failure = error as Error;
    deliverSoon(this);
  }

  /** Writes, for `_write()` and `_writev()`. */
  send(data: Buffer | string | (Buffer | string)[], done: WriteCallback): void {
    this.noteActivity();
    const { writer } = this.#core;
    const before = writer.sent + writer.buffered;
    this.#done = done;
    this.#doneContext = capture();
    try {
      // If it is closed or ends, the end of the tick finds that.
      writer.send(data);
    } catch (error) {
      void SETTLED.then(() => this.#fail(error as Error));
      return;
    }
    // It has counted the bytes of strings. A failure drops what was unsent.
    this.#dispatched += Math.max(writer.sent + writer.buffered - before, 0);
    this.#io.atTickEnd(this);
  }

  /** Ends the writing side, for `_final()`. */
  end(done: WriteCallback): void {
    // The peer may have closed first, with both sides.
    if (this.#core.closed) done();
    else {
      this.#core.writer.shutdown().then(
        () => guard(done),
        (error: Error) => this.#failWith(done, error),
      );
    }
  }

  noteActivity(): void {
    this.timer?.restart();
  }

  // `DeferredWork`: the end of the tick of a write.

  onContinue(): void {}

  /** The write is staged, and was offered to the kernel. */
  onTickEnd(): void {
    const core = this.#core;
    if (core.closed || core.isEnding || core.isWriteEnded) this.#fail(core.closedError());
    else if (core.unsent === 0) this.#afterCork();
    else {
      core.writer.write('').then(
        () => this.#afterCork(),
        (error: Error) => this.#fail(error),
      );
    }
  }

  /** The result of a read, to the duplex. */
  deliver(): void {
    const scope = scopeOf(this.#context);
    if (scope === null) this.#push();
    else scope.runInAsyncScope(this.#push);
  }

  readonly #push = (): void => {
    const chunk = this.#chunk;
    if (chunk === null) {
      guard(this.#endReading);
      return;
    }
    this.#chunk = null;
    const duplex = this.#duplex;
    this.timer?.restart(timeOfDelivery);
    duplex.bytesRead += chunk.length;
    const isFlowing = this.#isFlowing();
    try {
      if (isFlowing) duplex.emit('data', chunk);
      else duplex.push(chunk);
    } catch (error) {
      throwLater(error);
      // push() has not come to its read-ahead.
      if (!isFlowing) duplex.read(0);
    }
    // For Node the read goes on. What it brings after a pause() is pushed, and the next one is Node's.
    if (isFlowing && !duplex.destroyed) this.receive();
  };

  /**
   * Whether `push()` would only emit the chunk, and ask for the next read in a tick of its own. The first
   * chunk is pushed, which marks the duplex as read for Node; and one without a listener, as Node keeps it
   * until the end of the tick, by which a program may listen again.
   */
  #isFlowing(): boolean {
    const duplex = this.#duplex;
    return (
      duplex.readableFlowing === true &&
      duplex.readableLength === 0 &&
      duplex.readableDidRead &&
      duplex.readableEncoding === null &&
      !duplex.destroyed &&
      duplex.listenerCount('data') > 0
    );
  }

  readonly #endReading = (): void => {
    const duplex = this.#duplex;
    if (duplex.destroyed) return;
    const { error: closedBy, reader } = this.#core;
    const failure = this.#failure;
    this.#failure = null;
    if (!reader.ended || closedBy !== null) {
      duplex.destroy(failure === null ? undefined : (reasonOf(failure) ?? undefined));
      return;
    }
    if (isPausedByHttp(duplex)) {
      // After the chunks that the resumed duplex emits, which may pause it again.
      duplex.once('resume', () => nextTick(guard, this.#endReading));
      return;
    }
    duplex.push(null);
    // Emits 'end' although nothing reads.
    duplex.read(0);
  };

  /**
   * Calls the callback of the write when no tick is queued that uncorks. `node:http` corks in `write()`
   * and uncorks in the next tick; if a write has ended by then, Node 26 waits for a `'drain'` that does
   * not come. A `net.Socket` never ends a write there: libuv calls back when no tick is left.
   */
  #afterCork(): void {
    if (this.#duplex.writableCorked === 0) this.#written();
    // The tick that uncorks was queued before. A cork that outlasts it does not wait for a tick.
    else nextTick(this.#afterTick);
  }

  readonly #afterTick = (): void => {
    if (this.#duplex.writableCorked === 0) this.#written();
    else setImmediate(this.#written);
  };

  readonly #written = (): void => {
    this.noteActivity();
    this.#callDone(undefined);
  };

  #fail(error: Error): void {
    const reason = reasonOf(error);
    // Closed by the program: as destroy() without an error.
    if (reason === null) this.#duplex.destroy();
    this.#callDone(reason ?? error);
  }

  #failWith(done: WriteCallback, error: Error): void {
    const reason = reasonOf(error);
    if (reason === null) this.#duplex.destroy();
    guard(done, reason ?? error);
  }

  /** Ends the write, which may begin the next one. */
  #callDone(error: Error | undefined): void {
    const done = this.#done;
    if (done === null) return;
    this.#done = null;
    const scope = scopeOf(this.#doneContext);
    this.#doneContext = null;
    try {
      if (scope === null) done(error);
      else scope.runInAsyncScope(done, undefined, error);
    } catch (failure) {
      throwLater(failure);
    }
  }
}

/**
 * Delivers in a microtask: one for all flows whose reads a turn has settled. A read that is settled
 * meanwhile, such as one that follows a chunk, waits until all microtasks and ticks have run, as with a
 * `net.Socket`: code that has awaited the chunk, `await once(duplex, 'data')`, listens again by then.
 */
function deliverSoon(flow: DuplexFlow): void {
  if (isDelivering) nextTick(deliverSoon, flow);
  else if (settled.push(flow) === 1) void SETTLED.then(deliverAll);
}

function deliverAll(): void {
  isDelivering = true;
  delivery = Number.NaN;
  for (const flow of settled) {
    try {
      flow.deliver();
    } catch (error) {
      throwLater(error);
    }
  }
  isDelivering = false;
  settled.length = 0;
}

/** The host's clock at the first chunk of {@link deliverAll} that asks. */
function timeOfDelivery(): number {
  if (Number.isNaN(delivery)) delivery = monotonic();
  return delivery;
}

const settled: DuplexFlow[] = [];
let isDelivering = false;
let delivery = Number.NaN;

const CHUNK = 64 * 1024;
/** A reaction to it is a microtask, and costs less than a promise with its functions. */
const SETTLED = Promise.resolve();
