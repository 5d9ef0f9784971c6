/** `node:worker_threads`: a page, or a worker of the web, is a main thread of its own. */
import { absent } from '../absent.js';

export const isMainThread = true;
export const threadId = 0;
export const workerData = null;

export const MessageChannel = globalThis.MessageChannel;
export const MessagePort = globalThis.MessagePort;
export const Worker = absent('A thread of node:worker_threads');
export const receiveMessageOnPort = absent('worker_threads.receiveMessageOnPort()');

/** Browsers have no such mark: a transfer of one result empties those that share its memory. */
export function markAsUntransferable(): void {}

export default {};
