// An echo server by raw handlers, or by node:net. Tells its port, and on request what it has cost.
//
//   echo-server.mjs ioloop|iostream|node   (as a child with an IPC channel)
import { createServer } from 'node:net';
import { IOLoop, IOStream, Socket } from 'ioloop';

const servers = { ioloop, iostream, node };
servers[process.argv[2]]();
process.on('message', () => process.send(process.cpuUsage()));
process.on('disconnect', () => process.exit());

function ioloop() {
  const loop = new IOLoop();
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen(1024);
  loop.addHandler(listener, accept, IOLoop.READ);
  process.send(listener.localAddress);
  loop.start();

  const buffer = Buffer.allocUnsafeSlow(65_536);

  function accept() {
    for (let accepted; (accepted = listener.accept()) !== null;) {
      const [socket] = accepted;
      socket.setOption('noDelay', true);
      loop.addHandler(socket, echo, IOLoop.READ);
    }
  }

  function echo(socket) {
    try {
      const count = socket.recvInto(buffer);
      if (count === null) return;
      // What is read fits the socket's buffer as long as the peer reads what it gets.
      if (count > 0 && socket.send(buffer, 0, count) === count) return;
    } catch (error) {
      if (error.code !== 'ECONNRESET') throw error;
    }
    loop.removeHandler(socket);
    socket.close();
  }
}

function iostream() {
  const loop = new IOLoop();
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen(1024);
  loop.addHandler(listener, accept, IOLoop.READ);
  process.send(listener.localAddress);
  loop.start();

  function accept() {
    for (let accepted; (accepted = listener.accept()) !== null;) {
      const stream = new IOStream(accepted[0], { loop });
      stream.setNodelay(true);
      loop.spawnCallback(serve, stream);
    }
  }

  const partial = { partial: true };

  async function serve(stream) {
    try {
      for (;;) await stream.write(await stream.readBytes(65_536, partial));
    } catch (error) {
      if (error.code !== 'ERR_IOLOOP_STREAM_CLOSED') throw error;
    }
  }
}

function node() {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1', () => process.send(server.address()));
}
