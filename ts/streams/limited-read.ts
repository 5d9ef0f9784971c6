/** Reads with a timeout or a signal. */
import type { IOLoop } from '../loop/ioloop.js';
import { Wait, type WaitOptions } from '../loop/wait.js';
import type { Reader } from './reader.js';
import type { Read } from './reads.js';

/** Starts a read that a timeout or a signal cancels. */
export function limitedRead<T>(
  loop: IOLoop,
  reader: Reader,
  read: Read<T>,
  options: WaitOptions,
): Promise<T> {
  if (reader.reading) return reader.read(read);
  const wait = new Wait(loop, options, read.name, (error) => {
    reader.cancel(error);
  });
  // A getter of the options may have started another read, which the wait must not cancel.
  if (reader.reading) {
    wait.done();
    return reader.read(read);
  }
  const promise = reader.read(read);
  if (reader.reading) reader.limit(wait);
  else wait.done();
  return promise;
}
