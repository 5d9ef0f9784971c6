// How the kernel spreads connections over listeners with SO_REUSEPORT: `node reuse-port.mjs
// [listeners] [connections]`. Prints the number of connections of each listener.
import { IOLoop, IOStream, Socket, TCPServer } from 'ioloop';

const [listeners = 4, connections = 8000] = process.argv.slice(2).map(Number);
const AT_ONCE = 100;

await IOLoop.current().runSync(async () => {
  const servers = [];
  for (let count = 0; count < listeners; count += 1) {
    const server = new TCPServer({ handleStream: () => {} });
    const port = servers[0]?.port ?? 0;
    server.listen(port, '127.0.0.1', { reusePort: true, backlog: 1024 });
    servers.push(server);
  }
  const address = { host: '127.0.0.1', port: servers[0].port };
  const accepted = () => servers.map((server) => server.connections);
  for (let made = 0; made < connections; made += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, connections - made) }, () =>
      new IOStream(Socket.tcp()).connect(address),
    );
    await Promise.all(batch);
  }
  while (accepted().reduce((sum, count) => sum + count) < connections) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  console.log(accepted().join(' '));
});
process.exit();
