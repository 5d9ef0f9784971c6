// The Redis of server.mjs on a protocol: functions that all connections share, in place of a stream and
// a suspended function for each.
//
//   node examples/redis/push-server.mjs 6380
//   redis-benchmark -p 6380 -t set,get,incr,lpush -P 16
import { IOLoop, TCPServer } from 'ioloop';
import { failure, isQuit, OK, Parser, ProtocolError } from './resp.mjs';
import { Store } from './store.mjs';

const store = new Store();

const server = new TCPServer({
  protocol: {
    state: () => new Parser(),

    data(connection, chunk) {
      const { state: parser } = connection;
      let replies = '';
      let isOver = false;
      try {
        // Pipelined commands arrive in one chunk, and their replies leave in one packet.
        parser.push(chunk);
        for (let words; !isOver && (words = parser.next()) !== null;) {
          isOver = isQuit(words);
          replies += isOver ? OK : store.execute(words);
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        replies += failure(`Protocol error: ${error.message}`);
        isOver = true;
      }
      const hasRoom = connection.write(Buffer.from(replies, 'latin1'));
      if (isOver) connection.end();
      // Back-pressure: a client that does not read its replies is not read either.
      else if (!hasRoom) connection.pause();
    },

    drain(connection) {
      connection.resume();
    },
  },
});

server.listen(Number(process.argv[2] ?? 6380), '127.0.0.1', { backlog: 511 });
console.log(`redis on port ${server.port}`);
await IOLoop.current().start();
