// A small Redis: redis-cli and redis-benchmark can talk to it.
//
//   node examples/redis/server.mjs 6380
//   redis-benchmark -p 6380 -t set,get,incr,lpush -P 16
import { IOLoop, TCPServer } from 'ioloop';
import { failure, isQuit, OK, Parser, ProtocolError } from './resp.mjs';
import { Store } from './store.mjs';

const store = new Store();

/** @param {import('ioloop').IOStream} stream */
async function serve(stream) {
  const parser = new Parser();
  for await (const chunk of stream) {
    try {
      // Pipelined commands arrive in one chunk, and their replies leave in one packet.
      parser.push(chunk);
      for (let words; (words = parser.next()) !== null;) {
        if (isQuit(words)) return await quit(stream, OK);
        void stream.write(Buffer.from(store.execute(words), 'latin1'));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return await quit(stream, failure(`Protocol error: ${error.message}`));
    }
    // Back-pressure: a client that does not read its replies is not read either.
    if (stream.congested) await stream.drain();
  }
}

/** @param {import('ioloop').IOStream} stream @param {string} reply */
async function quit(stream, reply) {
  void stream.write(reply);
  await stream.end();
}

const server = new TCPServer({ handleStream: serve, maxBufferSize: 512 * 1024 * 1024 });
server.listen(Number(process.argv[2] ?? 6380), '127.0.0.1', { backlog: 511 });
const [address] = server.addresses;
if (address !== undefined && 'port' in address) console.log(`redis on port ${address.port}`);
await IOLoop.current().start();
