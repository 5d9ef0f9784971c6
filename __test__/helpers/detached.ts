/** Streams that move between loops. */
import { IOStream, type IOLoop } from 'ioloop';

/** The stream, moved once within its thread, to its loop. */
export function moved(stream: IOStream, loop: IOLoop = stream.loop): IOStream {
  return IOStream.attach(structuredClone(stream.detach()), { loop });
}
