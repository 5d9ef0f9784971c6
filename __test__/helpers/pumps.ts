/** A proxy between two connections, for tests of `pump()`. */
import { createHash, randomBytes } from 'node:crypto';
import { pump, type IOLoop, type IOStream, type PumpCounts, type PumpOptions } from 'ioloop';
import { onLoop, type ReportingLoop, type TestLoopOptions } from './loop.js';
import { failureOf, localPair, tcpStreams, turns } from './streams.js';
import { secured } from './tls.js';

export const MIB = 1024 * 1024;

/** Client and server, and the two streams between them that a pump joins. */
export interface Proxied {
  readonly loop: ReportingLoop;
  readonly client: IOStream;
  readonly near: IOStream;
  readonly far: IOStream;
  readonly server: IOStream;
}

/** How a pair of connected streams is made. */
export type Connect = (loop: IOLoop) => Promise<[IOStream, IOStream]>;

const halfOpen = { allowHalfOpen: true };

/** By kind of connection. */
export const CONNECTIONS = {
  tcp: (loop: IOLoop) => tcpStreams(loop, halfOpen),
  unix: (loop: IOLoop) => Promise.resolve(localPair(loop, halfOpen)),
  tls: async (loop: IOLoop) => secured(await tcpStreams(loop, halfOpen)),
} as const satisfies Record<string, Connect>;

/** Runs `body` with four connected streams. */
export function withProxied<T>(
  body: (proxied: Proxied) => Promise<T>,
  [left, right]: readonly [Connect, Connect] = [CONNECTIONS.tcp, CONNECTIONS.tcp],
  options: TestLoopOptions = {},
): Promise<T> {
  return onLoop(async (loop) => {
    const [client, near] = await left(loop);
    const [far, server] = await right(loop);
    const all = [client, near, far, server];
    try {
      return await body({ loop, client, near, far, server });
    } finally {
      for (const stream of all) stream.close();
    }
  }, options);
}

/** Pumps between the middle streams. */
export function pumped({ near, far }: Proxied, options?: PumpOptions): Promise<PumpCounts> {
  return pump(near, far, options);
}

/**
 * Has bytes go round through a pump for ever, while turns of its loop and timers of Node come 20 times. Then
 * closes all, and returns the failure of that pump.
 */
export async function roundForEver(proxied: Proxied): Promise<NodeJS.ErrnoException> {
  const { client, server, near, far } = proxied;
  const failed = failureOf(pumped(proxied));
  const round = failureOf(pump(server, server, { direction: 'forward' }));
  const back = failureOf(pump(client, client, { direction: 'forward' }));
  await client.write(Buffer.alloc(256 * 1024));
  for (let count = 0; count < 20; count += 1) {
    await turns(near);
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
  near.close();
  far.close();
  const failure = await failed;
  client.close();
  server.close();
  await Promise.all([round, back]);
  return failure;
}

/** Bytes that show when some are lost, doubled or swapped. */
export function noise(length: number): Buffer {
  return randomBytes(length);
}

/** Reads to EOF: how many bytes, and their hash. */
export async function digest(stream: IOStream): Promise<string> {
  const hash = createHash('sha1');
  let length = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    length += chunk.length;
  }
  return `${length} ${hash.digest('hex')}`;
}

/** The {@link digest} of these bytes. */
export function digestOf(...bytes: readonly Uint8Array[]): string {
  const all = Buffer.concat(bytes);
  return `${all.length} ${createHash('sha1').update(all).digest('hex')}`;
}
