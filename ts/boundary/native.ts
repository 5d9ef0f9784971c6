/**
 * The one file that loads the binary. What it exports is generated from `crates/ioloop-napi`.
 *
 * A static import on purpose: with a top-level `await` CommonJS could not `require` the package.
 * When no binary fits, the generated loader throws and names what it looked for.
 */
import { isMainThread } from 'node:worker_threads';
import * as binding from '../../native/binding.js';

export const native: typeof binding = binding;

/** The core of one loop, opaque: the functions of {@link native} take it. */
export type NativeHandle = Exclude<ReturnType<typeof binding.loopOpen>, number>;

// A worker may be terminated at any moment, with sockets open; the main thread takes the process
// along.
if (!isMainThread) binding.closeAtEnd();
