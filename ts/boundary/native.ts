/**
 * The one file that loads the binary. Its exports are generated from `crates/ioloop-napi`.
 *
 * The import is static, as CommonJS cannot `require` a package with a top-level `await`. If no
 * binary fits, the generated loader throws an error with the names that it has tried.
 */
import { isMainThread } from 'node:worker_threads';
import * as binding from '../../native/binding.js';

export const native: typeof binding = binding;

/** The core of one loop: an opaque value that functions of {@link native} take. */
export type NativeHandle = Exclude<ReturnType<typeof binding.loopOpen>, number>;

/** A watch of the watchdog on one loop: an opaque value. */
export type NativeWatch = ReturnType<typeof binding.watchdogStart>;

// A worker may be terminated at any moment, with sockets open. The main thread ends with the process.
if (!isMainThread) binding.closeAtEnd();
