// The cost of a call from JavaScript to the core: calls without work.
import { performance } from 'node:perf_hooks';
import { native } from '#internal';

const CALLS = 1_000_000;
const ROUNDS = 7;
const loop = native.loopOpen('thread', 0, true, 4096, 1024, 8192, 65_536);
if (typeof loop === 'number') throw new Error(`loopOpen: ${loop}`);
const words = new Float64Array(16);
const records = new Int32Array(16);
const slab = new Uint8Array(16);

console.log(
  JSON.stringify({
    generated: time(() => native.loopSubmit(loop, words, 0)),
    own: time(() => native.sendBatch(records, 0, slab)),
  }),
);
native.loopClose(loop);

/** Median nanoseconds of a call. @param {() => void} call */
function time(call) {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    for (let index = 0; index < CALLS; index += 1) call();
    return ((performance.now() - start) * 1e6) / CALLS;
  });
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1];
}
