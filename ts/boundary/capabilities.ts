/**
 * What the binary can do: the table of `crates/ioloop-napi/src/capabilities.rs`. All that depends on
 * it asks here, and so does the choice of tests.
 */
import { native } from './native.js';

export type Capabilities = ReturnType<typeof native.capabilities>;

/** The capabilities of the binary that was loaded. */
export const capabilities: Readonly<Capabilities> = Object.freeze(native.capabilities());

/**
 * What readiness comes from: the system call `epoll`, `kqueue` or `poll`. Without descriptors, what
 * the loop runs on: `wasm`, a module of WebAssembly, or `host`, a binary for a system without one of
 * them.
 */
export const backend = native.backend() as Backend;

/** What a loop waits with: a system call, or the timers of its host (`wasm`, `host`). */
export type Backend = 'epoll' | 'kqueue' | 'poll' | 'wasm' | 'host';
