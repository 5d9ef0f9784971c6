/**
 * The promises of one stream in debug mode. Reported are, when the collector or the end of the process
 * proves that nothing will use a promise any more:
 *
 * - the failure of a write, which is quiet as a rejection;
 * - the bytes that a read has taken out of the stream.
 */
import { siteHere } from '../loop/origins.js';
import { warnFrom } from '../support/debug-warnings.js';
import { oneLine } from '../support/one-line.js';
import { WatchedPromise } from './watched-promise.js';

/** A promise that the program has. */
interface Handed {
  readonly call: string;
  readonly site: string | null;
  /** What is lost if nothing uses the promise; `null` if nothing is. */
  loss: string | null;
  isUsed: boolean;
}

/** Wraps the promises that a stream hands out. */
export class StreamPromises {
  /** Whether the program has used the promise of a write, or waited for room. */
  isAnyUsed = false;
  readonly #isQuiet: (error: unknown) => boolean;
  /** Small writes of a tick share a promise, and so they do here. Weak, as the collector reports. */
  readonly #ofWrites = new WeakMap<Promise<void>, WeakRef<Promise<void>>>();

  /** Rejections of writes with `isQuiet` are not unhandled. */
  constructor(isQuiet: (error: unknown) => boolean) {
    this.#isQuiet = isQuiet;
  }

  ofRead<T>(call: string, promise: Promise<T>): Promise<T> {
    // peek() takes nothing; the bytes of readInto() are in the caller's memory; readUntilClose()
    // also serves to wait for the end.
    if (!TAKING.has(call)) return promise;
    const handed = handedHere(call);
    promise.then(
      (bytes) => {
        const { length } = bytes as { readonly length: number };
        if (length > 0) lose(handed, `the ${length} bytes that it has read are lost`);
      },
      // The rejection of the watched promise is the program's.
      ignore,
    );
    return watch(promise, handed, never, null);
  }

  ofWrite(call: string, promise: Promise<void>): Promise<void> {
    const shared = this.#ofWrites.get(promise)?.deref();
    if (shared !== undefined) return shared;
    const watched = this.#watchWrite(call, promise);
    this.#ofWrites.set(promise, new WeakRef(watched));
    return watched;
  }

  #watchWrite(call: string, promise: Promise<void>): Promise<void> {
    const handed = handedHere(call);
    promise.then(undefined, (error: unknown) => {
      if (this.#isQuiet(error)) lose(handed, `it has failed: ${textOf(error)}`);
    });
    return watch(promise, handed, this.#isQuiet, () => {
      this.isAnyUsed = true;
    });
  }
}

function handedHere(call: string): Handed {
  return { call, site: siteHere(), loss: null, isUsed: false };
}

function watch<T>(
  promise: Promise<T>,
  handed: Handed,
  isQuiet: (error: unknown) => boolean,
  onUse: (() => void) | null,
): Promise<T> {
  const watched = WatchedPromise.of(promise, isQuiet, () => {
    handed.isUsed = true;
    losses.delete(handed);
    onUse?.();
  });
  dropped.register(watched, handed);
  return watched;
}

function lose(handed: Handed, loss: string): void {
  if (handed.isUsed) return;
  handed.loss = loss;
  if (!isListening) process.on('beforeExit', reportAll);
  isListening = true;
  losses.add(handed);
}

function report(handed: Handed): void {
  if (!losses.delete(handed)) return;
  const { call, site, loss } = handed;
  const place = site === null ? '' : `. Called at ${site}`;
  warnFrom(
    `${call} ${site}`,
    'IOLOOP_UNAWAITED',
    `The promise of ${call}() was not awaited, and ${loss}${place}`,
  );
}

/** The process ends, and nothing runs any more. */
function reportAll(): void {
  for (const handed of losses) report(handed);
}

/** Losses that nothing has noticed yet. */
const losses = new Set<Handed>();
let isListening = false;
const dropped = new FinalizationRegistry(report);

/** Reads whose bytes are nowhere else. */
const TAKING: ReadonlySet<string> = new Set(['readBytes', 'readUntil', 'readUntilRegex']);
const LONGEST = 200;

function textOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error), LONGEST);
}

function never(): boolean {
  return false;
}

function ignore(): void {}
