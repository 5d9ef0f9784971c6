/**
 * `peer.c` over TLS, by `node:tls`:
 *
 *   tls-peer send PORT CONNECTION MESSAGES MIN MAX MODE    sends the messages, ends, waits
 *   tls-peer check PORT CONNECTION fast|slow               receives, prints "BYTES WRONG ERRNO"
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { bytesOf, Lengths, step } from './pattern.js';

const [command, port, number, ...rest] = process.argv.slice(2);
const connection = Number(number);
let dice = (88_172_645 + connection * 40_503) >>> 0;

setTimeout(() => process.exit(1), 600_000).unref();
const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false });
socket.setNoDelay(true);
await once(socket, 'secureConnect');
await (command === 'check' ? check(rest[0] === 'slow') : send());

function below(limit: number): number {
  dice = step(dice);
  return dice % limit;
}

async function send(): Promise<void> {
  const [messages = 0, min = 0, max = 0] = rest.map(Number);
  const lengths = new Lengths(connection, { messages, min, max });
  const isMixed = rest[3] === 'mixed';
  let offset = 0;
  for (let sent = 0; sent < messages;) {
    const pieces: Buffer[] = [];
    for (let size = 0; size < 1_000_000 && sent < messages; sent += 1) {
      const piece = bytesOf(connection, offset, lengths.next());
      piece[piece.length - 1] = 0x0a;
      pieces.push(piece);
      offset += piece.length;
      size += piece.length;
    }
    await sendInPieces(Buffer.concat(pieces), isMixed);
  }
  socket.end();
  await once(socket.resume(), 'close');
}

/** Each write is a record, or several of 16 KiB. */
async function sendInPieces(bytes: Buffer, isMixed: boolean): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    let size = bytes.length;
    if (isMixed) {
      const draw = below(100);
      size = draw < 50 ? 1 + below(1500) : draw < 60 ? 1 : 1 + below(100_000);
      if (draw === 99) await sleep(below(3));
    }
    if (!socket.write(bytes.subarray(at, at + size))) await once(socket, 'drain');
    at += size;
  }
}

async function check(isSlow: boolean): Promise<void> {
  let offset = 0;
  let wrong = 0;
  for await (const chunk of socket as TLSSocket & AsyncIterable<Buffer>) {
    const expected = bytesOf(connection, offset, chunk.length);
    if (!expected.equals(chunk)) {
      for (const [at, byte] of chunk.entries()) if (byte !== expected[at]) wrong += 1;
    }
    offset += chunk.length;
    if (isSlow && below(20) === 0) await sleep(below(2));
  }
  console.log(`${offset} ${wrong} 0`);
}
