/** A stream of the loop as a pair of web streams. */
import type {
  ReadableByteStreamController,
  ReadableStream,
  WritableStream,
  WritableStreamDefaultController,
} from 'node:stream/web';
import { invalidArgType, StreamClosedError } from '../../support/errors.js';
import type { IOStream } from '../iostream.js';
import type { Stream } from '../stream.js';

/** The result of `IOStream.toWeb`. */
export interface WebStreamPair {
  /** Bytes. Cancelling it ends the reading; the stream is closed when the writing has ended too. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Strings and bytes. Closing it ends the writing side; aborting it closes the stream. */
  readonly writable: WritableStream<Uint8Array | string>;
}

/**
 * Unlike `Duplex.toWeb`, whose writer is closed only when the peer has ended too, each side ends by
 * itself. Nothing is read ahead of demand. A connection that breaks, and a stream that the program
 * closes, is an error of both sides.
 */
export function toWeb(stream: IOStream, core: Stream): WebStreamPair {
  const { readable, writable } = new WebAdapter(stream, core);
  return { readable, writable };
}

class WebAdapter implements WebStreamPair {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array | string>;
  readonly #stream: IOStream;
  readonly #core: Stream;
  /** Most bytes of one read. */
  readonly #chunkSize: number;
  // Definite: both streams call their start() within the constructor.
  #reader!: ReadableByteStreamController;
  #writer!: WritableStreamDefaultController;
  #cancelled = false;
  #ended = false;

  constructor(stream: IOStream, core: Stream) {
    const web = process.getBuiltinModule('node:stream/web');
    this.#stream = stream;
    this.#core = core;
    this.#chunkSize = Math.min(CHUNK, core.limits.maxBufferSize);
    core.adapt(this, 'toWeb()');
    this.readable = new web.ReadableStream(
      {
        type: 'bytes',
        start: (controller) => void (this.#reader = controller),
        pull: () => this.#pull(),
        cancel: () => {
          this.#cancelled = true;
          if (this.#ended) stream.close();
        },
      },
      { highWaterMark: 0 },
    );
    this.writable = new web.WritableStream<Uint8Array | string>({
      start: (controller) => void (this.#writer = controller),
      write: (chunk) => stream.write(checkChunk(chunk)),
      close: async () => {
        this.#ended = true;
        await stream.shutdownWrite();
        if (this.#cancelled) stream.close();
      },
      abort: (reason) => {
        stream.close(reason ?? new Error('The writer was aborted'));
      },
    });
  }

  /** The program has closed the stream. A side that has ended stays as it is. */
  destroy(): void {
    const error = this.#core.closedError();
    // Where a read waits, it rejects with the same.
    if (!this.#cancelled) this.#reader.error(error);
    if (!this.#ended) this.#writer.error(error);
  }

  async #pull(): Promise<void> {
    const stream = this.#stream;
    try {
      // A copy of its own: its receiver may transfer the memory.
      this.#reader.enqueue(new Uint8Array(await stream.readBytes(this.#chunkSize, PARTIAL)));
    } catch (error) {
      if (!stream.ended || stream.error !== null) {
        if (error instanceof StreamClosedError) this.#writer.error(error);
        throw error;
      }
      this.#reader.close();
      // A reader that brought its own memory waits for it.
      this.#reader.byobRequest?.respond(0);
    }
  }
}

function checkChunk(chunk: unknown): ArrayBufferView | string {
  if (typeof chunk === 'string' || ArrayBuffer.isView(chunk)) return chunk;
  throw invalidArgType('chunk', chunk, 'a string, a typed array or a DataView');
}

const CHUNK = 64 * 1024;
const PARTIAL = { partial: true };
