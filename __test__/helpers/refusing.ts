/** Addresses that refuse connections. */
import { once } from 'node:events';
import net from 'node:net';

/**
 * A port of the loopback interface on which no program listens. That of a server that was closed may be
 * given to the next one, of a test that runs beside; a port below 1,024 is not.
 */
export const REFUSING_PORT = 1;

/**
 * Resolves when a connection to `port` is refused. A connection that the kernel accepts is reset until
 * the listening socket is closed: a waiting poll(2) keeps it open for some microseconds.
 */
export async function untilRefused(port: number): Promise<void> {
  const end = performance.now() + 10_000;
  for (;;) {
    const code = await once(net.connect(port, '127.0.0.1'), 'connect').then(
      () => 'connected',
      ({ code: refusal }: NodeJS.ErrnoException) => refusal,
    );
    if (code === 'ECONNREFUSED') return;
    if (code !== 'ECONNRESET' || performance.now() > end) throw new Error(`not refused: ${code}`);
  }
}
