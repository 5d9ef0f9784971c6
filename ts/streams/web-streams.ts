/** A stream of the loop as a pair of web streams. */
import type { ReadableByteStreamController, ReadableStream, WritableStream } from 'node:stream/web';
import { invalidArgType, StreamClosedError } from '../errors.js';
import type { IOStream } from './iostream.js';

/** What `IOStream.toWeb` gives. */
export interface WebStreamPair {
  /** Bytes. Cancelling it ends the reading; the stream is closed when the writing has ended too. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Strings and bytes. Closing it ends the writing side; aborting it closes the stream. */
  readonly writable: WritableStream<Uint8Array | string>;
}

/**
 * Unlike `Duplex.toWeb`, whose writer is closed only when the peer has ended too, each side ends by
 * itself. Nothing is read ahead of demand.
 */
export function toWeb(stream: IOStream): WebStreamPair {
  const web = process.getBuiltinModule('node:stream/web');
  let cancelled = false;
  let ended = false;
  const readable = new web.ReadableStream(
    {
      type: 'bytes',
      pull: (controller) => pull(stream, controller),
      cancel: () => {
        cancelled = true;
        if (ended) stream.close();
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new web.WritableStream<Uint8Array | string>({
    write: (chunk) => stream.write(checkChunk(chunk)),
    close: async () => {
      ended = true;
      await stream.shutdownWrite();
      if (cancelled) stream.close();
    },
    abort: (reason) => {
      stream.close(reason ?? new Error('The writer was aborted'));
    },
  });
  return { readable, writable };
}

async function pull(stream: IOStream, controller: ReadableByteStreamController): Promise<void> {
  try {
    // A copy of its own: whoever gets the chunk may transfer its memory.
    controller.enqueue(Uint8Array.from(await stream.readBytes(CHUNK, PARTIAL)));
  } catch (error) {
    if (!(error instanceof StreamClosedError) || !stream.ended || stream.error !== null)
      throw error;
    controller.close();
    // A reader that brought its own memory waits for it.
    controller.byobRequest?.respond(0);
  }
}

function checkChunk(chunk: unknown): Uint8Array | string {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return chunk;
  throw invalidArgType('chunk', chunk, 'a string or Uint8Array');
}

const CHUNK = 64 * 1024;
const PARTIAL = { partial: true };
