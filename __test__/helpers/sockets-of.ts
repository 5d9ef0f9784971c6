/** Whose sockets the package has in this run, and tests that need one kind. */
import { socketProvider } from '#internal';
import { serialIf, testIf, testWith } from './conditions.js';

/** True for its own; false for those of `node:net`, which have no descriptors. */
export const ownSockets = socketProvider === 'own';

/** `test`, for what only the package's own sockets have: descriptors, their options, `recv`. */
export const testOwnSockets = testIf(ownSockets, 'sockets with descriptors');

/** The same for `test.serial`. */
export const serialOwnSockets = serialIf(ownSockets, 'sockets with descriptors');

/** `testWith`, for the package's own sockets: for what Node does by itself to those of `node:net`. */
export function testOwnWith(...commands: readonly string[]): ReturnType<typeof testWith> {
  return ownSockets ? testWith(...commands) : testOwnSockets;
}

/** `test`, for sockets of `node:net`: all other files test the package's own. */
export const testNodeSockets = testIf(!ownSockets, 'sockets of node:net: npm run test:sockets');

/**
 * `test`, for a reset of a stream that nothing reads. libuv does not watch a socket that Node has paused
 * (`node-sockets.test.ts` shows it of a plain `net.Socket`), so that nothing reports the reset.
 */
export const testUnreadResets = testIf(
  ownSockets,
  'sockets whose reset is reported while they are not read: not those of node:net',
);
