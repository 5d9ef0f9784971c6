/** Loops for tests: made, driven turn by turn, and closed again. */
import { internalsOf } from '#internal';
import { IOLoop, type Callback, type IOLoopOptions, type Socket } from 'ioloop';
import { restoreCapacities, withCapacities, type Capacities } from './capacities.js';

restoreCapacities();

/** An error that a loop reported, and the callback it came from. */
export interface Report {
  readonly callback: Callback | null;
  readonly error: unknown;
}

/** A loop that keeps what was reported to it instead of logging it. */
export class ReportingLoop extends IOLoop {
  readonly reports: Report[] = [];

  get errors(): unknown[] {
    return this.reports.map(({ error }) => error);
  }

  override handleCallbackException(callback: Callback | null, error: unknown): void {
    this.reports.push({ callback, error });
  }
}

/** A clock that moves only by {@link FakeClock.advance}. Seconds. */
export class FakeClock {
  now: number;

  constructor(now = 0) {
    this.now = now;
  }

  readonly time = (): number => this.now;

  advance(seconds: number): void {
    this.now += seconds;
  }
}

/** Options of a loop, and the capacities that a test assumes, whatever the others are. */
export interface TestLoopOptions extends IOLoopOptions {
  readonly capacities?: Partial<Capacities>;
}

/**
 * Runs `body` with a loop of its own that is not current, and closes it, whatever happens. What
 * the loop reports and `body` does not take out of `loop.reports` fails the test.
 */
export async function withLoop<T>(
  body: (loop: ReportingLoop) => T | PromiseLike<T>,
  options: TestLoopOptions = {},
): Promise<T> {
  const { capacities, ...loopOptions } = options;
  if (capacities !== undefined) {
    return withCapacities(capacities, () => withLoop(body, loopOptions));
  }
  const loop = new ReportingLoop({ makeCurrent: false, ...loopOptions });
  try {
    const result = await body(loop);
    if (loop.reports.length > 0) throw new AggregateError(loop.errors, 'the loop reported errors');
    return result;
  } finally {
    await loop[Symbol.asyncDispose]();
  }
}

/** Seconds that a test may take: a minute, or more where a processor is emulated. */
const LIMIT = Number(process.env['IOLOOP_TEST_LIMIT'] ?? 60);

/** {@link withLoop} with the loop running: `body` runs in it, for so long at the most. */
export function onLoop<T>(
  body: (loop: ReportingLoop) => T | PromiseLike<T>,
  options: TestLoopOptions = {},
): Promise<T> {
  return withLoop((loop) => loop.runSync(async () => body(loop), { timeout: LIMIT }), options);
}

/** {@link withLoop} on a clock that the test advances. */
export function withFakeTime<T>(
  body: (loop: ReportingLoop, clock: FakeClock) => T | PromiseLike<T>,
  origin = 0,
  options: TestLoopOptions = {},
): Promise<T> {
  const clock = new FakeClock(origin);
  return withLoop((loop) => body(loop, clock), { ...options, timeFunc: clock.time });
}

/** Runs exactly one turn, or that many, of a stopped loop. */
export async function runTurns(loop: IOLoop, count = 1): Promise<void> {
  let left = count;
  const countDown = (): void => {
    left -= 1;
    if (left === 0) loop.stop();
    else loop.addCallback(countDown);
  };
  loop.addCallback(countDown);
  await loop.start();
}

/** Starts the loop with `body` as its first callback; ends when it is stopped. */
export async function start(loop: IOLoop, body: () => unknown): Promise<void> {
  loop.addCallback(body);
  await loop.start();
}

/** Waits until a running loop sleeps, bounded: before that, nothing has to wake it. */
export async function asleep(loop: IOLoop): Promise<void> {
  const end = performance.now() + 1e3 * LIMIT;
  const inside = internalsOf(loop as unknown as Parameters<typeof internalsOf>[0]);
  while (inside.phase !== 'sleeping') {
    if (performance.now() > end) throw new Error('the loop does not sleep');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Numbers the turns: 1 in the first. Call it before anything else is added. */
export function countTurns(loop: IOLoop): { readonly turn: number } {
  const counter = { turn: 0 };
  const count = (): void => {
    counter.turn += 1;
    loop.addCallback(count);
  };
  loop.addCallback(count);
  return counter;
}

/**
 * Registers a handler at each source, by default for READ, and counts the calls of all of them.
 * `body` runs in each call, with its source and the reported events.
 */
export function countCalls<Source extends Socket | number>(
  loop: IOLoop,
  sources: Source | readonly Source[],
  body: (source: Source, events: number) => unknown = () => {},
  events: number = IOLoop.READ,
): { readonly calls: number } {
  const counter = { calls: 0 };
  for (const source of [sources].flat() as Source[]) {
    const handler = (_: unknown, reported: number): unknown => {
      counter.calls += 1;
      return body(source, reported);
    };
    loop.addHandler(source, handler, events);
  }
  return counter;
}

/**
 * The events of the first call of a handler with this interest. Runs the loop until then, and
 * removes the handler.
 */
export async function firstEvents(
  loop: IOLoop,
  source: Socket | number,
  interest: number,
): Promise<number> {
  const seen: number[] = [];
  loop.addHandler(
    source,
    (_, events) => {
      seen.push(events);
      loop.stop();
    },
    interest,
  );
  await loop.start();
  loop.removeHandler(source);
  return seen[0] as number;
}

/** Takes what was reported, so that {@link withLoop} is content. */
export function takeReports(loop: ReportingLoop): Report[] {
  return loop.reports.splice(0);
}

/** Whether the garbage collector takes what `ref` refers to; needs `--expose-gc`. */
export async function isCollected(ref: WeakRef<object>): Promise<boolean> {
  for (let round = 0; round < GC_ROUNDS; round += 1) {
    // A WeakRef that was looked at holds its target until the end of the task.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    collectGarbage();
    if (ref.deref() === undefined) return true;
  }
  return false;
}

const GC_ROUNDS = 10;

/** Bytes of array buffers that are in use. The collector frees others on a thread of its own. */
export async function heldBytes(): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < GC_ROUNDS; round += 1) {
    collectGarbage();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    least = Math.min(least, process.memoryUsage().arrayBuffers);
  }
  return least;
}

/** Collects garbage now; needs `--expose-gc`. */
export function collectGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('needs --expose-gc');
  gc();
}
