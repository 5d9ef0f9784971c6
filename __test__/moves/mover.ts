/**
 * A thread of `npm run test:moves`: attaches the stream, echoes a piece that it reads in one of the
 * ways of {@link READS}, and detaches it for the next thread.
 */
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { IOLoop, IOStream, StreamClosedError, type DetachedToken } from 'ioloop';
import { setCapacities } from '#internal';
import { TINY, USUAL } from '../helpers/capacities.js';

/** The start data of a thread: its neighbours in the ring. */
export interface MoverData {
  readonly previous: MessagePort;
  readonly next: MessagePort;
  readonly tiny: boolean;
}

/** From thread to thread. */
export interface Move {
  readonly token: DetachedToken<'stream'>;
  readonly moves: number;
  /** Moves with unread bytes, and the number of these bytes. */
  readonly loaded: number;
  readonly unread: number;
  /** Moves to make in all. */
  readonly most: number;
}

/** To the main thread: the last move is made, the echo is done, it has failed. */
export type Report = 'moved' | { readonly done: Move } | { readonly failed: string };

/** By turns; each leaves bytes unread, or not, as they happen to arrive. */
const READS: readonly ((stream: IOStream, size: number) => Promise<Buffer>)[] = [
  (stream, size) => stream.readBytes(size, { partial: true }),
  (stream, size) => stream.readBytes(size),
  (stream) => stream.readUntil('\0', { maxBytes: 1 << 20 }),
  async (stream, size) => {
    await stream.peek(size);
    return stream.readBytes(1 + (size >> 1));
  },
  async (stream, size) => {
    const bytes = Buffer.alloc(size);
    return bytes.subarray(0, await stream.readInto(bytes, { partial: true }));
  },
  (stream) => stream.readUntilRegex(/[^]{3}/),
];

const LARGEST_READ = 3_000;

/** Runs the thread of `data` until it is terminated. */
async function run({ previous, next, tiny }: MoverData): Promise<void> {
  setCapacities(tiny ? TINY : USUAL);
  const loop = new IOLoop();
  const onMove = (move: Move): void => {
    step(loop, move, next).catch((error: unknown) => report({ failed: String(error) }));
  };
  previous.on('message', onMove);
  // The first move is the main thread's.
  parentPort?.on('message', onMove);
  await loop.start();
}

async function step(loop: IOLoop, move: Move, next: MessagePort): Promise<void> {
  const stream = IOStream.attach(move.token, { loop });
  const moves = move.moves + 1;
  if (moves === move.most) {
    report('moved');
    await echoToEnd(stream);
    report({ done: { ...move, moves } });
    return;
  }
  const size = 1 + ((moves * 7_919) % LARGEST_READ);
  const read = READS[moves % READS.length] as (typeof READS)[number];
  await stream.write(await read(stream, size));
  const unread = stream.readBufferSize;
  const following: Move = {
    token: stream.detach(),
    moves,
    most: move.most,
    loaded: move.loaded + (unread > 0 ? 1 : 0),
    unread: move.unread + unread,
  };
  next.postMessage(following, []);
}

async function echoToEnd(stream: IOStream): Promise<void> {
  try {
    for await (const chunk of stream) await stream.write(chunk);
  } catch (error) {
    if (!(error instanceof StreamClosedError) || stream.error !== null) throw error;
  }
  await stream.end();
}

function report(message: Report): void {
  parentPort?.postMessage(message, []);
}

if (!isMainThread) await run(workerData as MoverData);
