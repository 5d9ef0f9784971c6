// An echo server: a TCPServer gives a stream for each connection.
//
//   node examples/echo-server.mjs 8888
import { IOLoop, TCPServer } from 'ioloop';

/** Echoes on the current loop; gives the server. @param {number} port */
export function listen(port) {
  const server = new TCPServer({
    handleStream: async (stream) => {
      for await (const chunk of stream) {
        // No room: waits for the peer to read. Otherwise a message costs one promise.
        if (!stream.send(chunk)) await stream.drain();
      }
    },
  });
  server.listen(port, '127.0.0.1', { backlog: 1024 });
  return server;
}

if (import.meta.filename === process.argv[1]) {
  const server = listen(Number(process.argv[2] ?? 8888));
  console.log(`echo server on 127.0.0.1:${server.port}`);
  await IOLoop.current().start();
}
