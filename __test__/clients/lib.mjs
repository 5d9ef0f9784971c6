// Shared by the programs of `npm run test:clients`: each runs one package of npm over streams of the
// loop, ends with 0 when it works, with 77 and a reason when it cannot run here.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { IOLoop, IOStream, Socket } from 'ioloop';

export { assert };

/** A package of `.cache/clients`. */
export const load = createRequire(join(process.env.CLIENTS_DIR ?? process.cwd(), 'x.js'));

/**
 * The port of a server that the runner has started; without it the program is skipped.
 * @param {string} name
 */
export function portOf(name) {
  const port = process.env[`CLIENTS_${name}_PORT`];
  if (port === undefined) skip(process.env[`CLIENTS_${name}_MISSING`] ?? `no ${name}`);
  return Number(port);
}

/** @param {string} reason */
export function skip(reason) {
  console.log(reason);
  process.exit(77);
}

/** A duplex that is not connected, as drivers want it that call `connect()` themselves. */
export const unconnected = () => new IOStream(Socket.tcp()).toDuplex();

/**
 * A duplex that is on its way to `port`.
 * @param {number} port
 */
export const connecting = (port) => unconnected().connect(port, '127.0.0.1');

/**
 * Waits until `condition` holds, for 20 s at most.
 * @param {() => unknown} condition
 * @param {string} what
 */
export async function until(condition, what) {
  const end = Date.now() + 20_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Runs `body` on the loop, and ends the process.
 * @param {() => Promise<void>} body
 */
export async function program(body) {
  try {
    await IOLoop.current().runSync(body, { timeout: 45 });
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
