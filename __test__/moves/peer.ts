/**
 * The peer of `npm run test:moves`, on `node:net` in a process of its own. It sends the pattern as fast
 * as it is taken, and compares what comes back byte by byte. At the message `'stop'` it ends its side,
 * and waits for the rest. Its result is a message: {@link PeerResult}.
 */
import { connect, type NetConnectOpts } from 'node:net';
import { CHUNK, chunkOf } from './pattern.js';

/** What a peer has sent, and what came back. */
export interface PeerResult {
  readonly sent: number;
  readonly received: number;
  /** The position of the first wrong byte, or of bytes that are missing or too many; -1 for none. */
  readonly wrong: number;
  readonly error: string | null;
}

let sent = 0;
let received = 0;
let wrong = -1;
let stopped = false;
let error: string | null = null;
/** The chunk that `received` is in. */
let expected = chunkOf(0);

const connection = connect({
  ...(JSON.parse(process.argv[2] as string) as NetConnectOpts),
  allowHalfOpen: true,
});

connection.on('connect', send);
connection.on('drain', send);
connection.on('data', compare);
connection.on('error', ({ message }) => {
  error = message;
});
connection.on('end', () => {
  // Before the stop it is a connection that was lost.
  if (!stopped) error = 'the connection has ended';
  connection.end();
});
connection.on('close', () => {
  if (wrong < 0 && received !== sent) wrong = Math.min(received, sent);
  const result: PeerResult = { sent, received, wrong, error };
  process.send?.(result, () => process.exit());
});
process.on('message', () => {
  stopped = true;
  connection.end();
});

function send(): void {
  if (stopped) return;
  do {
    const chunk = chunkOf(sent / CHUNK);
    sent += chunk.length;
    connection.write(chunk);
  } while (!connection.writableNeedDrain);
}

function compare(bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) {
    const offset = received % CHUNK;
    const length = Math.min(bytes.length - at, CHUNK - offset);
    const isRight = expected.compare(bytes, at, at + length, offset, offset + length) === 0;
    if (!isRight && wrong < 0) wrong = received;
    at += length;
    received += length;
    if (received % CHUNK === 0) expected = chunkOf(received / CHUNK);
  }
}
