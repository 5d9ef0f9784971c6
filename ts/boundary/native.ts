/** The binary, for all other files. Its functions are generated from `crates/ioloop-napi`. */
import { isMainThread } from 'node:worker_threads';
import type { Binding } from './binding.js';
import { loadBinding, type Loaded } from './load-binding.js';

/** The binary that was loaded, and from where. */
export const loaded: Loaded = loadBinding();

export const native: Binding = loaded.binding;

/** The core of one loop: an opaque value that functions of {@link native} take. */
export type NativeHandle = Exclude<ReturnType<Binding['loopOpen']>, number>;

/** A watch of the watchdog on one loop: an opaque value. */
export type NativeWatch = Exclude<ReturnType<Binding['watchdogStart']>, number>;

// A worker may be terminated at any moment, with sockets open. The main thread ends with the process.
if (!isMainThread && native.capabilities().descriptors) native.closeAtEnd();
