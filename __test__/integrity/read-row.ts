/** One row of the table of reads: a kind of read, over several connections at once. */
import { once } from 'node:events';
import { IOLoop, type IOStream } from 'ioloop';
import { Verifier } from './pattern.js';
import { acceptPeer, openStream, type Transport } from './connection.js';
import type { Mode } from './peer.js';
import type { Kind } from './reads.js';
import { runRow, type Capacity, type Outcome } from './row.js';

export interface ReadRow {
  readonly kind: Kind;
  readonly mode: Mode;
  readonly transport: Transport;
  readonly capacity: Capacity;
  /** How many messages are wanted, and how many bytes may be spent on them. */
  readonly messages: number;
  readonly maxBytes: number;
  /** Connections at a time. */
  readonly connections: number;
}

/** Runs a row on a loop of its own. */
export function runReadRow(row: ReadRow): Promise<Outcome> {
  const shares = sharesOf(row);
  return runRow(row.capacity, async (loop, total) => {
    while (shares.length > 0) {
      const now = shares.splice(0, row.connections);
      await Promise.all(now.map((verifier) => runConnection(loop, row, verifier, total)));
    }
  });
}

/** The messages of the row, dealt out to connections. */
function sharesOf({ kind, messages, maxBytes, connections }: ReadRow): Verifier[] {
  const average = (kind.min + kind.max) / 2;
  const count = Math.max(connections, Math.min(messages, Math.floor(maxBytes / average)));
  const most = Math.floor((kind.most ?? Infinity) / kind.max);
  const each = Math.min(Math.ceil(count / connections), most);
  const shares: Verifier[] = [];
  for (let left = count; left > 0; left -= each) {
    const { min, max } = kind;
    shares.push(new Verifier(shares.length + 1, { messages: Math.min(each, left), min, max }));
  }
  return shares;
}

async function runConnection(
  loop: IOLoop,
  { kind, mode, transport, capacity }: ReadRow,
  verifier: Verifier,
  total: Outcome,
): Promise<void> {
  const { messages, min, max } = verifier.shape;
  const args = [verifier.connection, messages, min, max, mode];
  const { socket, peer } = await acceptPeer(loop, transport, 'send', args);
  const exited = once(peer, 'exit');
  let stream: IOStream | null = null;
  const watch = watchProgress(verifier, () => (stream ?? socket).close());
  try {
    if (kind.take === null) {
      if (mode === 'urgent') verifier.onMessage = acknowledge((byte) => void socket.send(byte));
      await kind.takeSocket?.(loop, socket, verifier);
    } else {
      const readChunkSize = chunkOf(verifier.connection, capacity);
      const options = { loop, allowHalfOpen: true, readChunkSize };
      const opened = (stream = await openStream(transport, socket, options));
      if (mode === 'urgent') verifier.onMessage = acknowledge((byte) => void opened.write(byte));
      await kind.take(opened, verifier);
      await expectEnd(opened, verifier);
    }
  } catch (error) {
    total.note ||= watch.note || String(error);
  } finally {
    watch.stop();
    (stream ?? socket).close();
    peer.kill();
  }
  await exited;
  total.messages += verifier.messages;
  total.bytes += verifier.bytes;
  total.wrong += verifier.wrong;
  total.lost += Math.max(0, messages - verifier.messages);
  if (verifier.firstWrong >= 0) {
    total.note ||= `connection ${verifier.connection}, byte ${verifier.firstWrong}`;
  }
}

/** Every second stream reads less at a time: it stops within what the kernel or TLS has. */
function chunkOf(connection: number, capacity: Capacity): number {
  if (connection % 2 !== 0) return 65_536;
  return capacity === 'tiny' ? 100 : 8192;
}

/** After the last message comes EOF, and nothing else. */
async function expectEnd(stream: IOStream, verifier: Verifier): Promise<void> {
  if (stream.ended && stream.readBufferSize === 0) return;
  const rest = await stream.readUntilClose();
  if (rest.length > 0) verifier.take(rest);
}

function acknowledge(send: (byte: string) => void): (index: number) => void {
  return (index) => {
    if (index % URGENT_EVERY === URGENT_EVERY / 2) send('.');
  };
}

/** As in `peer.c`. */
const URGENT_EVERY = 512;

/** A row that stands still is ended: what it waits for is lost. */
function watchProgress(
  verifier: Verifier,
  giveUp: () => void,
): { readonly note: string; stop(): void } {
  let last = -1;
  const watch = {
    note: '',
    stop: () => clearInterval(timer),
  };
  const timer = setInterval(() => {
    if (verifier.bytes !== last) {
      last = verifier.bytes;
      return;
    }
    watch.note = `stands still at byte ${verifier.bytes}`;
    giveUp();
  }, STANDSTILL_MS);
  return watch;
}

/** A read until the end shows no progress before it: longer than any of them takes. */
const STANDSTILL_MS = 8000;
