// A TCP proxy: joins each connection to one of the servers behind it, in turn. What can move within the
// kernel does.
//
//   node examples/proxy.mjs 8889 127.0.0.1:8888 127.0.0.1:8890
import { IOLoop, pump, TCPClient, TCPServer } from 'ioloop';

const CONNECT_SECONDS = 5;
const IDLE_SECONDS = 300;

/**
 * Proxies on the current loop; gives the server.
 *
 * @param {number} port
 * @param {{ host: string, port: number }[]} backends
 * @param {(line: string) => void} log
 */
export function listen(port, backends, log) {
  const client = new TCPClient();
  let next = 0;

  /** The next backend that accepts; its error, if none does. */
  async function connect() {
    let failure;
    for (let attempt = 0; attempt < backends.length; attempt += 1) {
      const { host, port: to } = backends[next++ % backends.length];
      try {
        const options = { allowHalfOpen: true, timeout: CONNECT_SECONDS };
        return await client.connect(host, to, options);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  const server = new TCPServer({
    // A client may have sent everything before the backend is connected.
    allowHalfOpen: true,
    async handleStream(near) {
      const counts = { forward: 0, back: 0 };
      let end = 'finished';
      try {
        await pump(near, await connect(), { counts, idleTimeout: IDLE_SECONDS });
      } catch (error) {
        end = String(/** @type {NodeJS.ErrnoException} */ (error).code ?? error);
        near.close();
      }
      log(`${end}: ${counts.forward} bytes up, ${counts.back} down`);
    },
  });
  server.listen(port, '127.0.0.1', { backlog: 1024 });
  return server;
}

if (import.meta.filename === process.argv[1]) {
  const [port = '8889', ...addresses] = process.argv.slice(2);
  const backends = addresses.map((address) => {
    const { hostname, port: to } = new URL(`tcp://${address}`);
    return { host: hostname, port: Number(to) };
  });
  const server = listen(Number(port), backends, console.log);
  console.log(`proxy on 127.0.0.1:${server.port}`);
  await IOLoop.current().start();
}
