/** Reads with a `streamingCallback`, which gets the bytes in chunks. */
import { Wait, isLimited } from '../loop/wait.js';
import { checkBoolean, checkFunction } from '../support/checks.js';
import { invalidArgValue, isStreamClosed, toError } from '../support/errors.js';
import type { ReadBytesOptions, StreamingCallback } from './options.js';
import type { Claim } from './reader.js';
import { Copied, readBytes } from './reads.js';
import type { Stream } from './stream.js';

/**
 * Gives `count` bytes, or with Infinity those up to EOF, to `callback`, and resolves to no bytes. The next
 * chunk waits for a promise that it returns. Its exception closes the stream, and the read rejects with it.
 * Between two chunks other reads are refused.
 */
export async function streamingRead(
  stream: Stream,
  name: 'readBytes' | 'readUntilClose',
  count: number,
  callback: StreamingCallback,
  options: ReadBytesOptions,
): Promise<Buffer> {
  checkFunction('streamingCallback', callback);
  if (options.partial === true) {
    throw invalidArgValue('partial', true, 'left out with a streamingCallback');
  }
  const isCopy = checkBoolean('copy', options.copy, false);
  const { reader, limits } = stream;
  const cancelled: unknown[] = [];
  const wait = isLimited(options)
    ? new Wait(stream.loop, options, name, (error) => {
        cancelled.push(error);
        reader.cancel(error);
      })
    : null;
  let claim: Claim | null = null;
  try {
    claim = reader.claim(name);
    for (let left = count; left > 0;) {
      if (cancelled.length > 0) throw cancelled[0];
      const some = readBytes(Math.min(left, limits.readChunkSize), true);
      const chunk = await nextChunk(stream, claim.read(isCopy ? new Copied(some) : some), count);
      if (chunk === null) break;
      left -= chunk.length;
      await callChunk(stream, callback, chunk);
    }
    return NO_BYTES;
  } finally {
    claim?.release();
    wait?.done();
  }
}

/** The result of `read`; `null` at the end of a read until EOF. */
async function nextChunk(
  stream: Stream,
  read: Promise<Buffer>,
  count: number,
): Promise<Buffer | null> {
  try {
    return await read;
  } catch (error) {
    const isEnd = count === Infinity && isStreamClosed(error) && stream.reader.ended;
    if (isEnd && stream.error === null) return null;
    throw error;
  }
}

async function callChunk(
  stream: Stream,
  callback: StreamingCallback,
  chunk: Buffer,
): Promise<void> {
  try {
    const result = callback(chunk);
    if (result !== undefined) await result;
  } catch (error) {
    stream.close(toError(error));
    throw error;
  }
}

const NO_BYTES = Buffer.alloc(0);
