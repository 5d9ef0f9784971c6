/**
 * Tornado's IOLoop for Node.js, on a Rust core.
 *
 * @packageDocumentation
 */
export type { Address } from './address.js';
export type { Callback } from './callback-queue.js';
export type { Duration } from './duration.js';
export type { Driver } from './driver.js';
export { IOLoopError, TimeoutError, type IOLoopErrorCode, type SystemError } from './errors.js';
export type { FdLike, FileLike } from './fd.js';
export { Future } from './future.js';
export { IOLoop, type IOLoopClass, type IOLoopOptions, type RunSyncOptions } from './ioloop.js';
export { PeriodicCallback, type PeriodicCallbackOptions } from './periodic-callback.js';
export { Socket } from './socket.js';
export type { SocketOption, SocketOptions } from './socket-options.js';
export type { Timeout } from './timeouts.js';
