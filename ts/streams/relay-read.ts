/** The read of a relay: the next bytes, whatever there are, in memory or in a pipe of the kernel. */
import { constants } from 'node:os';
import { isUnspliceable, PIPE_BYTES, takePipe, type Pipe } from '../boundary/pipes.js';
import type { LoopIO } from '../loop/io.js';
import type { FdTransport } from './fd-transport.js';
import { Passage, type PassageEvents, type Rest } from './passage.js';
import type { ReadBuffer } from './read-buffer.js';
import { ReadTarget } from './read-target.js';
import type { Read } from './reads.js';
import type { Stream } from './stream.js';
import { FdWriter } from './writer.js';

/**
 * Resolves to the received bytes that are unread, then to what the source has. Bytes that go from socket
 * to socket at once are counted, and do not end the read: a flow makes no promises.
 *
 * | State    | What the source has goes to | Next |
 * | -------- | --------------------------- | ---- |
 * | reads    | memory                      | splices: a chunk was large |
 * | splices  | a pipe                      | reads: a chunk was small, EOF, an urgent mark, no pipe is free; passes: there is a flow |
 * | passes   | a passage of the core       | splices: the passage has ended, see `passage.ts` |
 * | refused  | memory: the source cannot be spliced | none |
 */
export class RelayRead extends ReadTarget implements Read<Buffer | Pipe | Rest>, PassageEvents {
  readonly name = 'pump';
  readonly keepsPartial = false;
  readonly sparesStream = false;
  /** `null`: a source, or a sink, that is not a socket of the kernel. */
  #source: FdTransport | null;
  readonly #from: Stream;
  readonly #sink: Stream;
  readonly #io: LoopIO;
  readonly #onPassed: (count: number) => void;
  readonly #most: number;
  readonly #large: number;
  #splices = false;
  #pipe: Pipe | null = null;
  #passage: Passage | null = null;
  /** Of a passage that has ended. */
  #rest: Rest | null = null;

  /**
   * `source` is `null` if nothing can be spliced. `most` is the size of the largest chunk in memory.
   * `onPassed` gets the number of bytes that the sink has taken within the read. `from` is the stream of the
   * source.
   */
  constructor(
    source: FdTransport | null,
    from: Stream,
    sink: Stream,
    io: LoopIO,
    most: number,
    onPassed: (count: number) => void,
  ) {
    super(NOTHING);
    this.#source = source;
    this.#from = from;
    this.#sink = sink;
    this.#io = io;
    this.#onPassed = onPassed;
    this.#most = most;
    this.#large = Math.min(LARGE, most);
  }

  get target(): ReadTarget | null {
    return this.#splices && this.#source?.canSplice === true ? this : null;
  }

  override get room(): number {
    return this.#splices ? PIPE_BYTES : 0;
  }

  take(buffer: ReadBuffer, _ended: boolean, more: boolean): Buffer | Pipe | Rest | undefined {
    // A report of the source: the passage is over.
    if (more) this.#passage?.end();
    const rest = this.takeRest();
    if (rest !== null) return rest;
    const { length } = buffer;
    if (length > 0) {
      this.#splices = length >= this.#large;
      return buffer.take(Math.min(length, this.#most));
    }
    const pipe = this.#pipe;
    if (pipe === null) return undefined;
    this.#pipe = null;
    this.#splices = pipe.taken >= SMALL;
    return pipe;
  }

  /** After `EAGAIN` the reader tries again: to its buffer, if there is no {@link room} any more. */
  override readFrom(): number {
    const pipe = takePipe();
    if (pipe === null || this.#source === null) {
      this.#splices = false;
      return -EAGAIN;
    }
    const { writer } = this.#sink;
    const to = writer instanceof FdWriter ? writer.passage : -1;
    const count = this.#source.fill(pipe, this.#io.spliceShare(), to);
    if (count > 0) {
      if (to >= 0) {
        (writer as FdWriter).onPassed(count - pipe.held, pipe.sinkFailure);
        if (count >= this.#io.capacities.flow && this.#pass(pipe, writer as FdWriter)) {
          this.#onPassed(count - pipe.held);
          return -EAGAIN;
        }
      }
      // A small chunk ends the read, too: the next one may be received by the turn.
      if (pipe.held > 0 || count < SMALL) {
        this.#pipe = pipe;
        return count;
      }
      pipe.release();
      this.#onPassed(count);
      return count;
    }
    pipe.release();
    if (isUnspliceable(count)) this.#source = null;
    // 0 is EOF, or an urgent mark before it, which only a receive passes.
    else if (count < 0) return count;
    this.#splices = false;
    return -EAGAIN;
  }

  /** What a passage has left; `null` if there is nothing. */
  takeRest(): Rest | null {
    const rest = this.#rest;
    this.#rest = null;
    return rest;
  }

  /** Counts what has passed. */
  announce(): void {
    this.#passage?.announce();
  }

  /** Nothing is read any more: {@link takeRest} has what was. */
  stop(): void {
    this.#passage?.end();
  }

  onSent(count: number): void {
    this.#onPassed(count);
  }

  onEnded(rest: Rest | null): void {
    this.#passage = null;
    this.#rest = rest;
  }

  /** Leaves a flow to the core, from a pipe that the sink has taken as much of as it can. */
  #pass(pipe: Pipe, writer: FdWriter): boolean {
    const source = this.#source as FdTransport;
    const hasFailed = pipe.sinkFailure !== 0 || source.failure !== 0;
    // After its peer has closed, each report of a source says so, and would end the passage.
    if (hasFailed || source.peerClosed) return false;
    // The core names both by their places in the table of one loop.
    if (this.#sink.loop !== this.#from.loop) return false;
    const sink = this.#sink.transport as FdTransport;
    const flow = { loop: this.#from.loop, io: this.#io, source, sink, writer };
    this.#passage = Passage.begin(flow, pipe, this);
    if (this.#passage === null) return false;
    // It is reported room only if it waits for some.
    if (this.#from.unsent > 0) source.onFull();
    return true;
  }
}

const { EAGAIN } = constants.errno;
const NOTHING = Buffer.alloc(0);

/** Bytes from which a chunk shows that there is a flow: two system calls and a pipe are cheaper. */
const LARGE = 8 * 1024;
/** Bytes below which a pipe costs more than a copy. */
const SMALL = 4 * 1024;
