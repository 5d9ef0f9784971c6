/**
 * The functions that a binary lacks, by the capability that it lacks. Each throws
 * `ERR_IOLOOP_UNSUPPORTED` in their place, so that no other file has to ask before a call.
 * `__test__/capabilities.test.ts` compares the table with the exports of the binaries.
 */
import { unsupported } from '../support/errors.js';
import type { Binding } from './binding.js';

/** A capability whose functions are missing without it. */
export type Needed = 'descriptors' | 'splice' | 'threads' | 'watchdog';

/** The functions that are exported only with a capability. */
export const functionsOf: Readonly<Record<Needed, readonly (keyof Binding)[]>> = {
  descriptors: [
    'closeAtEnd',
    'fdAdopt',
    'fdClose',
    'fdDuplicate',
    'fdIdentify',
    'fdIs',
    'fdKind',
    'fdRead',
    'fdWrite',
    'loopDeregister',
    'loopIsRegistered',
    'loopRearm',
    'loopReceive',
    'loopRegister',
    'loopReregister',
    'loopVerify',
    'sendAll',
    'sendBatch',
    'socketAccept',
    'socketBind',
    'socketConnect',
    'socketConnected',
    'socketGetOption',
    'socketListen',
    'socketLocalAddress',
    'socketOpen',
    'socketOptionNames',
    'socketPair',
    'socketPeerAddress',
    'socketRecv',
    'socketRefuseNew',
    'socketSend',
    'socketSetOption',
    'socketShutdown',
    'socketTakeError',
  ],
  splice: [
    'passageBegin',
    'passageHeed',
    'passageReport',
    'pipeOpen',
    'spliceIn',
    'spliceOut',
    'spliceThrough',
  ],
  threads: [
    'attach',
    'detach',
    'detachAgain',
    'detachedCount',
    'laneAppend',
    'laneDrained',
    'laneFlush',
    'laneLimit',
    'laneMemory',
    'laneOpen',
    'laneResolve',
    'laneWake',
    'loopAwaitPosts',
    'loopClosePosts',
    'loopExpose',
    'loopPosted',
    'loopRemote',
    'loopReply',
    'loopTakeManyPosts',
    'loopTakePosts',
    'loopUnexpose',
    'remoteCopy',
    'repliesOpen',
    'repliesTake',
    'repliesTakeMany',
  ],
  watchdog: [
    'watchdogAnswer',
    'watchdogBlocked',
    'watchdogSample',
    'watchdogStart',
    'watchdogStop',
  ],
};

/** The feature, and what to do without it. */
const FEATURES: Readonly<Record<Needed, readonly [what: string, instead: string]>> = {
  descriptors: [
    'A file descriptor',
    'Use IOStream, TCPServer and TCPClient, which work by node:net on Node, or IOStream.pair()',
  ],
  splice: ['A move of bytes within the kernel', 'Read and write them'],
  threads: ['A call or a move between threads', 'Use postMessage()'],
  watchdog: ['The detection of a blocked loop', 'Use a native binary: see npx ioloop doctor'],
};

/** `binding`, with a function that throws in the place of each that is missing. */
export function withUnsupported(binding: Binding): Binding {
  const capabilities = binding.capabilities();
  for (const needed of Object.keys(functionsOf) as Needed[]) {
    if (capabilities[needed]) continue;
    const refuse = (): never => {
      throw unsupportedBy(needed, binding.backend());
    };
    for (const name of functionsOf[needed]) Object.assign(binding, { [name]: refuse });
  }
  return binding;
}

/** The error of a call that needs a capability which the binary lacks; `what` is by default the feature. */
export function unsupportedBy(needed: Needed, backend: string, what?: string): Error {
  const [feature, instead] = FEATURES[needed];
  return unsupported(`${what ?? feature} on the backend "${backend}"`, instead);
}
