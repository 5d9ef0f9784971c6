// The example of Tornado's documentation: a listening socket on the loop that accepts until it
// would block, and for each connection a stream that is read until its peer has ended.
//
//   node examples/tcp-server.mjs 8888
//   echo hello | nc -N 127.0.0.1 8888
import { IOLoop, IOStream, Socket } from 'ioloop';

/** @param {Socket} connection */
async function handleConnection(connection) {
  const stream = new IOStream(connection);
  const message = await stream.readUntilClose();
  console.log('message from client:', message.toString().trim());
}

/** @param {Socket} listener */
function connectionReady(listener) {
  for (let accepted; (accepted = listener.accept()) !== null;) {
    const [connection] = accepted;
    // Not called here: the loop reports what the function rejects with.
    IOLoop.current().spawnCallback(handleConnection, connection);
  }
}

const listener = Socket.tcp();
listener.setOption('reuseAddress', true);
listener.bind({ host: '127.0.0.1', port: Number(process.argv[2] ?? 8888) });
listener.listen(128);

const loop = IOLoop.current();
loop.addHandler(listener, connectionReady, IOLoop.READ);
const address = listener.localAddress;
if ('port' in address) console.log(`listening on ${address.host}:${address.port}`);
await loop.start();
