/** Sources against a model: who has unread bytes is reported, and nobody else. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, nodeTurns, tcpPair } from './helpers/fds.js';
import { runTurns, withLoop, type ReportingLoop } from './helpers/loop.js';

const capacity = fc.integer({ min: 1, max: 4 });
const capacities = fc.record({ submissions: capacity, timers: capacity, events: capacity });

/** What a handler does with what it is called for. */
const MANNERS = ['nothing', 'one byte', 'all', 'a large piece', 'unregisters'] as const;
type Manner = (typeof MANNERS)[number];

const SOURCES = 7;
const which = fc.nat(SOURCES - 1);
const initial = fc.array(fc.constantFrom(...MANNERS), { maxLength: SOURCES });

type Step =
  | { readonly kind: 'register'; readonly at: number; readonly manner: Manner }
  | { readonly kind: 'unregister' | 'pause' | 'resume' | 'drain'; readonly at: number }
  | { readonly kind: 'send'; readonly at: number; readonly bytes: number }
  | { readonly kind: 'turns' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('register' as const),
    at: which,
    manner: fc.constantFrom(...MANNERS),
  }),
  fc.record({
    kind: fc.constantFrom('unregister', 'pause', 'resume', 'drain' as const),
    at: which,
  }),
  fc.record({
    kind: fc.constant('send' as const),
    at: which,
    bytes: fc.constantFrom(1, 2, 5, 3000),
  }),
  fc.constant({ kind: 'turns' as const }),
);

/** One source, and what the model knows of it. */
class Source {
  readonly #loop: ReportingLoop;
  readonly #near: Socket;
  readonly #far: Socket;
  #manner: Manner | null = null;
  #paused = false;
  /** Bytes that were sent and not read. */
  unread = 0;
  calls = 0;

  constructor(loop: ReportingLoop, [near, far]: readonly [Socket, Socket]) {
    this.#loop = loop;
    this.#near = near;
    this.#far = far;
  }

  get isWatched(): boolean {
    return this.#manner !== null && !this.#paused;
  }

  do(what: Exclude<Step, { kind: 'turns' }>): void {
    if (what.kind === 'send') {
      this.unread += this.#far.send(Buffer.alloc(what.bytes)) ?? 0;
    } else if (what.kind === 'drain') {
      this.#read(Infinity, 1000);
    } else if (what.kind === 'register') {
      if (this.#manner !== null) return;
      this.#loop.addHandler(this.#near, this.#onReady, IOLoop.READ);
      this.#manner = what.manner;
      this.#paused = false;
    } else if (this.#manner !== null) {
      if (what.kind === 'unregister') this.#unregister();
      else {
        this.#paused = what.kind === 'pause';
        this.#loop.updateHandler(this.#near, this.#paused ? IOLoop.NONE : IOLoop.READ);
      }
    }
  }

  close(): void {
    if (this.#manner !== null) this.#unregister();
    closeAll(this.#near, this.#far);
  }

  #unregister(): void {
    this.#loop.removeHandler(this.#near);
    this.#manner = null;
  }

  readonly #onReady = (): void => {
    this.calls += 1;
    assert.ok(this.isWatched, 'called while it was not watched');
    assert.ok(this.unread > 0, 'called with nothing to read');
    if (this.#manner === 'one byte') this.#read(1, 1);
    else if (this.#manner === 'all') this.#read(Infinity, 700);
    else if (this.#manner === 'a large piece') this.#read(1, 100_000);
    else if (this.#manner === 'unregisters') this.#unregister();
  };

  /** Up to `times` times `size` bytes, or until there is nothing. */
  #read(times: number, size: number): void {
    for (let time = 0; time < times; time += 1) {
      const bytes = this.#near.recv(size);
      // Over TCP some may be on their way: these have to be reported then.
      if (bytes === null) return;
      this.unread -= bytes.length;
    }
  }
}

async function check(
  loop: ReportingLoop,
  pairs: readonly (readonly [Socket, Socket])[],
  manners: readonly Manner[],
  steps: readonly Step[],
): Promise<void> {
  const sources = pairs.map((pair) => new Source(loop, pair));
  try {
    for (const [at, manner] of manners.entries()) {
      (sources[at] as Source).do({ kind: 'register', at, manner });
    }
    for (const what of [...steps, { kind: 'turns' } as const]) {
      if (what.kind !== 'turns') {
        (sources[what.at] as Source).do(what);
        continue;
      }
      const due = sources.filter((source) => source.isWatched && source.unread > 0);
      for (const source of sources) source.calls = 0;
      await called(loop, due);
    }
  } finally {
    for (const source of sources) source.close();
  }
}

/** Turns until all of them were called. What TCP carries may take its time. */
async function called(loop: ReportingLoop, due: readonly Source[]): Promise<void> {
  const end = performance.now() + 3000;
  do {
    // A turn reports one of the set and one of the list, at least.
    await runTurns(loop, 4 * SOURCES + 4);
    if (loop.errors.length > 0) throw loop.errors[0];
    if (due.every((source) => source.calls > 0)) return;
    await nodeTurns();
  } while (performance.now() < end);
  assert.fail('ready, and not called');
}

for (const [name, open] of [
  ['Unix sockets', () => Promise.resolve(Socket.pair())],
  ['TCP', tcpPair],
] as const) {
  test(`${name}: who has something to read is called, and nobody else`, async (t) => {
    await fc.assert(
      fc.asyncProperty(capacities, initial, fc.array(step, { maxLength: 60 }), (few, how, steps) =>
        withLoop(
          async (loop) => {
            const pairs = await Promise.all(Array.from({ length: SOURCES }, open));
            await check(loop, pairs, how, steps);
          },
          { capacities: few },
        ),
      ),
      { numRuns: name === 'TCP' ? 80 : 250 },
    );
    t.pass();
  });
}
