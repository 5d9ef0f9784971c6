// The example of Tornado's documentation: a listening socket on the loop that accepts until it
// would block, and an async function for each connection. This one echoes.
//
//   node examples/tcp-server.mjs 8888
import { IOLoop, Socket } from 'ioloop';

/** Listens on the current loop; gives the listening socket. */
export function listen(port) {
  const listener = Socket.tcp();
  listener.setOption('reuseAddress', true);
  listener.bind({ host: '127.0.0.1', port });
  listener.listen(1024);
  IOLoop.current().addHandler(listener, connectionReady, IOLoop.READ);
  return listener;
}

function connectionReady(listener) {
  for (let accepted; (accepted = listener.accept()) !== null;) {
    const [connection, address] = accepted;
    // Not called here: the loop reports what the function rejects with.
    IOLoop.current().spawnCallback(handleConnection, connection, address);
  }
}

async function handleConnection(connection, _address) {
  const loop = IOLoop.current();
  let resume = (_ready) => {};
  const ready = () => new Promise((resolve) => (resume = resolve));
  loop.addHandler(connection, () => resume(true), IOLoop.READ);
  try {
    for (;;) {
      const message = connection.recv(65_536);
      if (message === null) await ready();
      else if (message.length === 0) return;
      else await sendAll(loop, connection, message, ready);
    }
  } catch (error) {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
  } finally {
    loop.removeHandler(connection);
    connection.close();
  }
}

async function sendAll(loop, connection, data, ready) {
  for (let rest = data; ;) {
    rest = rest.subarray(connection.send(rest) ?? 0);
    if (rest.length === 0) return;
    loop.updateHandler(connection, IOLoop.WRITE);
    await ready();
    loop.updateHandler(connection, IOLoop.READ);
  }
}

if (import.meta.filename === process.argv[1]) {
  const listener = listen(Number(process.argv[2] ?? 8888));
  const address = listener.localAddress;
  if ('port' in address) console.log(`echo server on ${address.host}:${address.port}`);
  await IOLoop.current().start();
}
