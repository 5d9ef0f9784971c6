/**
 * Whether a thread waits shortly for the answer of another one before it falls asleep
 * (`crates/ioloop-napi/src/uv/short_wait.rs`). With one core no thread waits: the other one needs the core.
 */
import { availableParallelism } from 'node:os';
import type { Driver } from './driver.js';

const HAS_CORES = availableParallelism() > 1;

export function waitsFor(driver: Driver): boolean {
  return HAS_CORES && driver === 'libuv';
}
