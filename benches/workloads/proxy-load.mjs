// Two clients of a proxy that joins them: each sends so many bytes to the other. Prints a line of JSON.
//
//   proxy-load.mjs PORT BYTES
import { connect } from 'node:net';
import process from 'node:process';

const [port, bytes] = process.argv.slice(2).map(Number);
const chunk = Buffer.alloc(128 * 1024, 'ioloop');
const start = process.hrtime.bigint();
const counts = await Promise.all([exchange(), exchange()]);
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
const lost = counts.filter((count) => count !== bytes).length;
console.log(JSON.stringify({ lost, seconds }));

/** Sends, and receives to the end. @returns {Promise<number>} The number of received bytes. */
function exchange() {
  return new Promise((resolve, reject) => {
    let left = bytes;
    let received = 0;
    const buffer = Buffer.alloc(256 * 1024);
    const socket = connect({
      port,
      host: '127.0.0.1',
      allowHalfOpen: true,
      onread: {
        buffer,
        callback: (count) => {
          received += count;
          return true;
        },
      },
    });
    const send = () => {
      while (left > 0) {
        const size = Math.min(left, chunk.length);
        left -= size;
        if (!socket.write(size === chunk.length ? chunk : chunk.subarray(0, size))) return;
      }
      socket.end();
    };
    socket.on('connect', send);
    socket.on('drain', send);
    socket.on('end', () => resolve(received));
    socket.on('error', reject);
  });
}
