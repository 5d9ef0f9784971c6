/**
 * The channels of `node:diagnostics_channel` that the package publishes to. Publishers look at
 * `hasSubscribers` first: without a subscriber nothing is made.
 */
import diagnostics from 'node:diagnostics_channel';

/** A `TCPServer` has accepted a connection: `{ server, stream, address }`, or `connection` for `stream`. */
export const connectionOpen = diagnostics.channel('ioloop:connection:open');

/** Such a connection is closed or detached: `{ server, stream, error }`, or `connection` for `stream`. */
export const connectionClose = diagnostics.channel('ioloop:connection:close');

/** Accepting pauses: `{ loop, socket, error, seconds }`. */
export const acceptPause = diagnostics.channel('ioloop:accept:pause');

/** `handleCallbackException` is about to be called: `{ loop, callback, error, origin }`. */
export const callbackError = diagnostics.channel('ioloop:callback:error');

/** In debug mode, code of the program has taken long: `{ loop, origin, isStep, seconds }`. */
export const slowCallback = diagnostics.channel('ioloop:callback:slow');

/** A block of a watched loop is over: `{ loop, report }`. */
export const loopBlocked = diagnostics.channel('ioloop:loop:blocked');
