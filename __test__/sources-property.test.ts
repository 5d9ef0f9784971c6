/** Sources against a model: a source with unread bytes is reported, and no other. */
import { checkCrossings, crossingsOf } from './helpers/crossings.js';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test, { type ExecutionContext } from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { USUAL } from './helpers/capacities.js';
import { serialWith } from './helpers/conditions.js';
import { withLoop, type ReportingLoop } from './helpers/loop.js';
import { MarkingPeer, pipeWire, socketWire, tcpWire, type Wire } from './helpers/wires.js';

const capacity = fc.integer({ min: 1, max: 4 });
const CAPACITIES = {
  usual: fc.constant(USUAL),
  tiny: fc.record({ submissions: capacity, timers: capacity, events: capacity }),
} as const;

/** What a handler does when it is called. */
const MANNERS = ['nothing', 'one byte', 'all', 'a large piece', 'unregisters'] as const;
type Manner = (typeof MANNERS)[number];

const SOURCES = 7;
/** More than one: what is left unread is reported again. */
const CALLS = 3;
const which = fc.nat(SOURCES - 1);
const initial = fc.array(fc.constantFrom(...MANNERS), { maxLength: SOURCES });

type Step =
  | { readonly kind: 'register'; readonly at: number; readonly manner: Manner }
  | { readonly kind: 'unregister' | 'pause' | 'resume' | 'drain'; readonly at: number }
  | {
      readonly kind: 'send';
      readonly at: number;
      readonly bytes: number;
      /** A read stops after these bytes, where the wire can do that. */
      readonly marked: boolean;
    }
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
    marked: fc.boolean(),
  }),
  fc.constant({ kind: 'turns' as const }),
);

/** One source, and its state in the model. */
class Source {
  readonly #loop: ReportingLoop;
  readonly #wire: Wire;
  #manner: Manner | null = null;
  #paused = false;
  /** Bytes that were sent and not read. */
  unread = 0;
  /** An urgent byte was sent: it may be read as one of the others, or not. */
  #isUrgent = false;
  calls = 0;

  constructor(loop: ReportingLoop, wire: Wire) {
    this.#loop = loop;
    this.#wire = wire;
  }

  get isWatched(): boolean {
    return this.#manner !== null && !this.#paused;
  }

  get isServed(): boolean {
    return this.calls >= CALLS || this.unread === 0 || !this.isWatched;
  }

  async do(what: Exclude<Step, { kind: 'turns' }>): Promise<void> {
    if (what.kind === 'send') {
      this.#isUrgent ||= what.marked;
      this.unread += await this.#wire.send(what.bytes, what.marked);
    } else if (what.kind === 'drain') {
      this.#read(Infinity, 1000);
    } else if (what.kind === 'register') {
      if (this.#manner !== null) return;
      this.#loop.addHandler(this.#wire.source, this.#onReady, IOLoop.READ);
      this.#manner = what.manner;
      this.#paused = false;
    } else if (this.#manner !== null) {
      if (what.kind === 'unregister') this.#unregister();
      else {
        this.#paused = what.kind === 'pause';
        this.#loop.updateHandler(this.#wire.source, this.#paused ? IOLoop.NONE : IOLoop.READ);
      }
    }
  }

  async close(): Promise<void> {
    if (this.#manner !== null) this.#unregister();
    await this.#wire.close();
  }

  #unregister(): void {
    this.#loop.removeHandler(this.#wire.source);
    this.#manner = null;
  }

  readonly #onReady = (): void => {
    this.calls += 1;
    assert.ok(this.isWatched, 'called while it was not watched');
    assert.ok(this.unread > 0 || this.#isUrgent, 'called with nothing to read');
    if (this.#manner === 'one byte') this.#read(1, 1);
    else if (this.#manner === 'all') this.#read(Infinity, 700);
    else if (this.#manner === 'a large piece') this.#read(1, 100_000);
    else if (this.#manner === 'unregisters') this.#unregister();
  };

  /** Up to `times` times `size` bytes, or until there is nothing. */
  #read(times: number, size: number): void {
    for (let time = 0; time < times; time += 1) {
      const bytes = this.#wire.read(size);
      // Over TCP some may be on their way: these have to be reported then.
      if (bytes === null) return;
      this.unread -= bytes.filter((byte) => byte === DOT).length;
    }
  }
}

async function check(
  loop: ReportingLoop,
  wires: readonly Wire[],
  manners: readonly Manner[],
  steps: readonly Step[],
): Promise<void> {
  const sources = wires.map((wire) => new Source(loop, wire));
  try {
    for (const [at, manner] of manners.entries()) {
      await (sources[at] as Source).do({ kind: 'register', at, manner });
    }
    for (const what of [...steps, { kind: 'turns' } as const]) {
      if (what.kind !== 'turns') {
        await (sources[what.at] as Source).do(what);
        continue;
      }
      const due = sources.filter((source) => source.isWatched && source.unread > 0);
      for (const source of sources) source.calls = 0;
      await called(loop, due);
    }
  } finally {
    for (const source of sources) await source.close();
  }
}

/**
 * Turns until each of them was called again and again, or has nothing left. The loop runs all the
 * time: one that is started looks at every source anew, whatever was held to be drained.
 */
async function called(loop: ReportingLoop, due: readonly Source[]): Promise<void> {
  const end = performance.now() + 3000;
  const look = (): void => {
    const isLate = performance.now() > end;
    if (isLate || loop.errors.length > 0 || due.every((source) => source.isServed)) loop.stop();
    else loop.addCallback(look);
  };
  loop.addCallback(look);
  await loop.start();
  if (loop.errors.length > 0) throw loop.errors[0];
  if (due.some((source) => !source.isServed)) assert.fail('ready, and not called');
}

async function checkAll(
  t: ExecutionContext,
  room: keyof typeof CAPACITIES,
  tinyRuns: number,
  open: () => Wire | Promise<Wire>,
): Promise<void> {
  const property = fc.asyncProperty(
    CAPACITIES[room],
    initial,
    fc.array(step, { maxLength: 60, size: 'max' }),
    (capacities, manners, steps) =>
      withLoop(
        async (loop) => {
          const wires: Wire[] = [];
          while (wires.length < SOURCES) wires.push(await open());
          await check(loop, wires, manners, steps);
        },
        { capacities },
      ),
  );
  const numRuns = room === 'tiny' ? tinyRuns : tinyRuns / 5;
  const crossed = await crossingsOf(() =>
    fc.assert(property, { numRuns, includeErrorInReport: true }),
  );
  checkCrossings(t, room, crossed, ['completions']);
}

const DOT = 0x2e;

for (const room of ['usual', 'tiny'] as const) {
  const fact = `${room} capacities: a source with unread bytes is reported, and no other`;

  test.serial(`Unix sockets, ${fact}`, (t) =>
    checkAll(t, room, 250, () => socketWire(Socket.pair())),
  );

  test.serial(`TCP, ${fact}`, (t) => checkAll(t, room, 80, tcpWire));

  test.serial(`pipes by number, ${fact}`, (t) => checkAll(t, room, 150, pipeWire));

  for (const [over, name] of [
    ['unix', 'Unix sockets with descriptors between the bytes'],
    ['tcp', 'TCP with urgent bytes between the others'],
  ] as const) {
    serialWith('python3')(`${name}, ${fact}`, async (t) => {
      const peer = new MarkingPeer();
      try {
        await checkAll(t, room, 60, () => peer.open(over));
      } finally {
        await peer.dispose();
      }
    });
  }
}
