/** Whose sockets the package has in this run, and tests that need its own. */
import { socketProvider } from '#internal';
import test, { type ExecutionContext } from 'ava';

/** True for its own; false for those of `node:net`, which have no descriptors. */
export const ownSockets = socketProvider === 'own';

/** `test`, for what only the package's own sockets have: descriptors, their options, `recv`. */
export function testOwnSockets(title: string, body: (t: ExecutionContext) => unknown): void {
  runOwn(test, title, body);
}

/** The same for `test.serial`. */
export function serialOwnSockets(title: string, body: (t: ExecutionContext) => unknown): void {
  runOwn(test.serial, title, body);
}

/** `test`, for sockets of `node:net`: all other files test the package's own. */
export function testNodeSockets(title: string, body: (t: ExecutionContext) => unknown): void {
  const run = body as never;
  if (ownSockets) test.skip(`${title} (needs sockets of node:net: npm run test:sockets)`, run);
  else test(title, run);
}

function runOwn(
  run: (title: string, body: never) => void,
  title: string,
  body: (t: ExecutionContext) => unknown,
): void {
  if (ownSockets) run(title, body as never);
  else test.skip(`${title} (needs sockets with descriptors)`, body as never);
}
