/** Rows of writes: pieces of every kind and size, for a peer that compares what it gets. */
import { once } from 'node:events';
import { IOLoop, type IOStream } from 'ioloop';
import { acceptPeer, openStream, type Transport } from './connection.js';
import { bytesOf, step } from './pattern.js';
import { runRow, type Capacity, type Outcome } from './row.js';

export interface WriteRow {
  readonly capacity: Capacity;
  readonly transport: Transport;
  readonly peer: 'fast' | 'slow';
  /** How a stream ends: by `end()`, or at a random moment by `close()` or with a reset. */
  readonly ending: 'end' | 'close' | 'reset';
  readonly connections: number;
  /** Of each connection. */
  readonly bytes: number;
}

/** `messages` are writes; `wrong` and `lost` are bytes. */
export function runWriteRow(row: WriteRow): Promise<Outcome> {
  const numbers = Array.from({ length: row.connections }, (_, at) => at + 1);
  return runRow(row.capacity, async (loop, total) => {
    await Promise.all(numbers.map((number) => runConnection(loop, row, number, total)));
  });
}

async function runConnection(
  loop: IOLoop,
  row: WriteRow,
  number: number,
  total: Outcome,
): Promise<void> {
  const { socket, peer } = await acceptPeer(loop, row.transport, 'check', [number, row.peer]);
  let report = '';
  peer.stdout?.setEncoding('utf8').on('data', (text: string) => (report += text));
  const closed = once(peer, 'close');
  const stream = await openStream(row.transport, socket, { loop, allowHalfOpen: true });
  const writer = new Writer(stream, number);
  const isCut = row.ending !== 'end';
  try {
    await writer.run(isCut ? writer.below(row.bytes) : row.bytes, !isCut);
    if (row.ending === 'reset') socket.setOption('linger', 0);
    if (!isCut) await stream.end();
  } catch (error) {
    total.note ||= `connection ${number}: ${String(error)}`;
  }
  stream.close();
  await closed;
  const [received = 0, wrong = 0] = report.split(' ').map(Number);
  total.messages += writer.writes;
  total.bytes += received;
  total.wrong += wrong + Math.max(0, received - writer.offset);
  // A reset takes what is on its way along; what the kernel had before a close arrives.
  const due = { end: writer.offset, close: writer.sent, reset: 0 }[row.ending];
  total.lost += Math.max(0, due - received);
  if (wrong > 0 || received < due) total.note ||= `connection ${number}: ${report.trim()}`;
}

/** Writes the bytes of a connection, in pieces that its number decides on. */
class Writer {
  writes = 0;
  offset = 0;
  /** Bytes whose writes have resolved. */
  sent = 0;
  readonly #stream: IOStream;
  readonly #connection: number;
  #dice: number;

  constructor(stream: IOStream, connection: number) {
    this.#stream = stream;
    this.#connection = connection;
    this.#dice = Math.imul(connection, 40_503) + 88_172_645;
  }

  below(limit: number): number {
    this.#dice = step(this.#dice);
    return this.#dice % limit;
  }

  /** Writes up to `bytes`; `all` waits for the last. */
  async run(bytes: number, all: boolean): Promise<void> {
    let last: Promise<void> = Promise.resolve();
    while (this.offset < bytes) {
      last = this.#write();
      const draw = this.below(100);
      if (draw < 3) await last;
      else if (draw < 10 || this.#stream.writeBufferSize > 4_000_000) await this.#stream.drain();
    }
    if (all) await last;
  }

  #write(): Promise<void> {
    const kind = this.below(40);
    const small = this.#piece(1 + this.below(this.#connection % 4 === 0 ? 4000 : 200));
    const written = this.#send(small, kind);
    this.writes += 1;
    const end = this.offset;
    void written.then(
      () => (this.sent = Math.max(this.sent, end)),
      () => {},
    );
    // It was copied, alone or beside a large one.
    small.fill(0xff);
    return written;
  }

  #send(small: Buffer, kind: number): Promise<void> {
    const stream = this.#stream;
    // Without large pieces it is small ones of which the kernel takes a part.
    if (this.#connection % 2 === 0) return stream.write(small);
    if (kind === 0) return stream.write(small.toString('latin1'));
    if (kind === 1) return stream.write(this.#replacing(small, 1 + this.below(4096)));
    if (kind === 2) return stream.write([small, this.#piece(5000 + this.below(60_000))]);
    if (kind === 3) {
      const large = this.#piece(1 + this.below(20_000)).toString('latin1');
      return stream.write([small, large, '', this.#piece(3)]);
    }
    if (kind === 4) {
      return stream.write([small, this.#piece(1), this.#piece(300_000), this.#piece(2)]);
    }
    return stream.write(small);
  }

  /** Instead of the small piece, a larger one; its memory too is used again at once. */
  #replacing(small: Buffer, length: number): Buffer {
    this.offset -= small.length;
    const piece = this.#piece(length);
    queueMicrotask(() => piece.fill(0xfe));
    return piece;
  }

  #piece(length: number): Buffer {
    const piece = bytesOf(this.#connection, this.offset, length);
    this.offset += length;
    return piece;
  }
}
