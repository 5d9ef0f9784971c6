// A proxy that joins each two connections which it accepts. Prints its port.
//
//   proxy.mjs pump      pump() of ioloop
//   proxy.mjs node      pipe() of node:net, both ways
import { createServer } from 'node:net';
import process from 'node:process';

if (process.argv[2] === 'node') {
  let waiting = null;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (waiting === null) {
      waiting = socket.pause();
      return;
    }
    waiting.pipe(socket);
    socket.pipe(waiting);
    waiting = null;
  });
  server.listen(0, '127.0.0.1', () =>
    console.log(/** @type {import('node:net').AddressInfo} */ (server.address()).port),
  );
} else {
  const { IOLoop, pump, TCPServer } = await import('ioloop');
  let waiting = null;
  const server = new TCPServer({
    allowHalfOpen: true,
    async handleStream(stream) {
      const other = waiting;
      waiting = other === null ? stream : null;
      if (other !== null) await pump(other, stream);
      else await new Promise((resolve) => stream.setCloseCallback(resolve));
    },
  });
  server.listen(0, '127.0.0.1');
  console.log(server.port);
  await IOLoop.current().start();
}
