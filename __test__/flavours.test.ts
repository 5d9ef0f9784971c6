/** Flavours of the binary: what one cannot do is refused by name, and memory of its own may move. */
import test, { type ExecutionContext } from 'ava';
import { adapted, capabilities, native, observeRefusals, type Binding } from '#internal';
import { testIf } from './helpers/conditions.js';

const { COMPLETED_DUE, COMPLETED_HEADER, SUBMISSION_WORDS, SUBMIT_ARM, SUBMIT_OPERATIONS } = native;

/**
 * This binary as a module with memory of its own, which moves in each call, as that of WebAssembly does
 * when it grows: a view of before has the length 0 then. `before` moves it before every other call reads
 * its arguments, too.
 */
function moving(before: boolean): { module: Binding; calls: () => number } {
  let memory = new ArrayBuffer(64 * 1024);
  let calls = 0;
  const move = (): void => {
    memory = structuredClone(memory, { transfer: [memory] });
  };
  const moved =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      calls += 1;
      if (before && calls % 2 === 1) move();
      const result = call(...args);
      move();
      return result;
    };
  const module = {
    ...native,
    capabilities: () => ({ ...capabilities, separateMemory: true }),
    loopTurn: moved(native.loopTurn),
    loopSubmit: moved(native.loopSubmit),
    loopSleep: moved(native.loopSleep),
    moduleRoom: (bytes: number) => new Uint8Array(memory, 8, bytes),
  };
  return { module: module as unknown as Binding, calls: () => calls };
}

test('timers cross to a module whose memory moves in each call', (t) => {
  crosses(t, false);
});

testIf(!capabilities.separateMemory, 'a binary that reads the arrays of JavaScript')(
  'timers cross to a module whose memory moves before a call reads its arguments',
  (t) => {
    crosses(t, true);
  },
);

function crosses(t: ExecutionContext, before: boolean): void {
  const { module, calls } = moving(before);
  const binding = adapted(module);
  const driver = capabilities.descriptors ? 'thread' : 'host';
  const loop = binding.loopOpen(driver, 0, true, 8, 8, 64, 8) as Exclude<
    ReturnType<Binding['loopOpen']>,
    number
  >;
  const completions = new Int32Array(binding.completionCapacity(8, 8));
  const armed = (id: number, deadline: number): Float64Array => {
    const words = new Float64Array(SUBMISSION_WORDS);
    words.set([id * SUBMIT_OPERATIONS + SUBMIT_ARM, deadline]);
    return words;
  };
  const turn = (now: number, submissions: Float64Array): number[] => {
    const [modes, block] = [new Uint8Array(0), new Uint8Array(0)];
    const { length } = submissions;
    const result = binding.loopTurn(
      loop,
      now,
      submissions,
      length,
      completions,
      modes,
      block,
      0,
      0,
    );
    t.true(result >= 0);
    const due = completions[COMPLETED_DUE] as number;
    return Array.from(completions.subarray(COMPLETED_HEADER, COMPLETED_HEADER + due));
  };
  binding.loopSubmit(loop, armed(7, 3), SUBMISSION_WORDS);
  t.deepEqual(turn(0, armed(5, 1)), []);
  t.true(binding.loopSleep(loop, 0, armed(6, 2), SUBMISSION_WORDS, false) > 0);
  t.deepEqual(turn(2.5, new Float64Array(0)), [5, 6]);
  t.deepEqual(turn(3.5, armed(9, 3)), [7, 9]);
  // What was not read is made again.
  t.is(calls(), before ? 10 : 5);
  binding.loopClose(loop);
  t.true(
    binding.loopTurn(
      loop,
      4,
      armed(1, 4),
      2,
      completions,
      new Uint8Array(0),
      new Uint8Array(0),
      0,
      0,
    ) < 0,
  );
}

test('each refusal of what a binary lacks is observed', (t) => {
  const { socketOpen: _socketOpen, ...rest } = native;
  const table = { ...capabilities, descriptors: false };
  const binding = adapted({
    ...rest,
    capabilities: () => table,
    backend: () => 'wasm',
  } as unknown as Binding);
  const refused: string[] = [];
  observeRefusals((what) => refused.push(what));
  const error = t.throws(() => binding.socketOpen(0), { code: 'ERR_IOLOOP_UNSUPPORTED' });
  t.regex(error?.message ?? '', /on the backend "wasm"/);
  t.deepEqual(refused, ['A file descriptor on the backend "wasm"']);
});
