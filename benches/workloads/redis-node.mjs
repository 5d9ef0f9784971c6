// The Redis example on node:net: the same parser and the same store, so that only the streams
// differ. With `corked`, the replies to a chunk leave in one write.
//
//   redis-node.mjs [corked]
import { createServer } from 'node:net';
import { Parser } from '../../examples/redis/resp.mjs';
import { Store } from '../../examples/redis/store.mjs';

const store = new Store();
const isCorked = process.argv[2] === 'corked';
const server = createServer({ noDelay: true }, (socket) => {
  const parser = new Parser();
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    if (isCorked) socket.cork();
    parser.push(chunk);
    for (let words; (words = parser.next()) !== null;)
      socket.write(Buffer.from(store.execute(words), 'latin1'));
    if (isCorked) socket.uncork();
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 511 }, () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(JSON.stringify({ port }));
});
