/** The read of a relay: the next bytes, whatever there are, in memory or in a pipe of the kernel. */
import { constants } from 'node:os';
import { isUnspliceable, PIPE_BYTES, takePipe, type Pipe } from '../boundary/pipes.js';
import type { LoopIO } from '../loop/io.js';
import type { FdTransport } from './fd-transport.js';
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
 * | splices  | a pipe                      | reads: a chunk was small, EOF, an urgent mark, no pipe is free |
 * | refused  | memory: the source cannot be spliced | none |
 */
export class RelayRead extends ReadTarget implements Read<Buffer | Pipe> {
  readonly name = 'pump';
  readonly keepsPartial = false;
  readonly sparesStream = false;
  /** `null`: a source, or a sink, that is not a socket of the kernel. */
  #source: FdTransport | null;
  readonly #sink: Stream;
  readonly #io: LoopIO;
  readonly #onPassed: (count: number) => void;
  readonly #most: number;
  readonly #large: number;
  #splices = false;
  #pipe: Pipe | null = null;

  /**
   * `source` is `null` if nothing can be spliced. `most` is the size of the largest chunk in memory.
   * `onPassed` gets the number of bytes that the sink has taken within the read.
   */
  constructor(
    source: FdTransport | null,
    sink: Stream,
    io: LoopIO,
    most: number,
    onPassed: (count: number) => void,
  ) {
    super(NOTHING);
    this.#source = source;
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

  take(buffer: ReadBuffer): Buffer | Pipe | undefined {
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
      if (to >= 0) (writer as FdWriter).onPassed(count - pipe.held, pipe.sinkFailure);
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
}

const { EAGAIN } = constants.errno;
const NOTHING = Buffer.alloc(0);

/** Bytes from which a chunk shows that there is a flow: two system calls and a pipe are cheaper. */
const LARGE = 8 * 1024;
/** Bytes below which a pipe costs more than a copy. */
const SMALL = 4 * 1024;
