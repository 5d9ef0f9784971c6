/** Connections that come and go, in order and by a reset, ten thousands of them. */
import { testIf } from './helpers/conditions.js';
import { HAS_PROC } from './helpers/fds.js';
import { runChild } from './helpers/child.js';
import { ownSockets } from './helpers/sockets-of.js';

const CHURN = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { IOLoop, IOStream, Socket, TCPServer } from 'ioloop';

  const CYCLES = Number(process.argv.at(-1));
  const loop = IOLoop.current();
  const account = () => {
    gc();
    const status = readFileSync('/proc/self/status', 'utf8');
    const { heapUsed, heapTotal } = process.memoryUsage();
    return {
      fds: readdirSync('/proc/self/fd').length,
      threads: Number(/Threads:\\s+(\\d+)/.exec(status)[1]),
      heap: heapUsed / 2 ** 20,
      outside: Number(/VmRSS:\\s+(\\d+)/.exec(status)[1]) / 1024 - heapTotal / 2 ** 20,
    };
  };
  const closes = { clean: 0, reset: 0, other: 0 };
  let opened = 0;
  let twice = 0;

  const server = new TCPServer({
    handleStream: async (stream) => {
      opened += 1;
      let closed = 0;
      stream.setCloseCallback((error) => {
        closed += 1;
        if (closed > 1) twice += 1;
        if (error === null) closes.clean += 1;
        else if (error.code === 'ECONNRESET' || error.code === 'EPIPE') closes.reset += 1;
        else closes.other += 1;
      });
      for await (const chunk of stream) await stream.write(chunk);
    },
  });
  server.listen(0, '127.0.0.1', { backlog: 511 });
  const [address] = server.addresses;

  // What a client does: leaves in order; resets at once, with data unread, or in the middle.
  const behaviours = [
    async (client) => {
      await client.write('hello');
      await client.readBytes(5);
      client.close();
    },
    async (client) => reset(client),
    async (client) => {
      await client.write('hello');
      reset(client);
    },
    async (client) => {
      await client.write('hello');
      await client.readBytes(1);
      client.close();
    },
    async (client) => {
      await client.shutdownWrite();
      await client.readUntilClose();
    },
  ];
  const reset = (client) => {
    client.socket.setOption('linger', 0);
    client.close();
  };

  async function cycles(count) {
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const behave = behaviours[next++ % behaviours.length];
        const client = new IOStream(Socket.tcp(), { allowHalfOpen: true });
        // A server that resets before it has accepted is one of the things that happen.
        try {
          await client.connect(address);
          await behave(client);
        } catch (error) {
          if (error.code !== 'ERR_IOLOOP_STREAM_CLOSED') throw error;
          client.close();
        }
      }
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    await new Promise((resolve) => {
      const look = () => {
        const { clean, reset, other } = closes;
        // The close callback runs after the server has counted the connection out.
        if (server.connections === 0 && clean + reset + other === opened) resolve();
        else loop.callLater(0.005, look);
      };
      look();
    });
  }

  await loop.runSync(async () => {
    await cycles(CYCLES / 5);
    const before = account();
    // What the allocator keeps comes and goes by 20 MB; what leaks stays in every account.
    const accounts = [];
    for (let part = 0; part < 5; part += 1) {
      await cycles(CYCLES / 5);
      accounts.push(account());
    }
    const after = accounts.at(-1);
    after.outside = Math.min(...accounts.slice(2).map(({ outside }) => outside));
    console.log(JSON.stringify({ before, after, closes, opened, twice }));
  });
  process.exit();
`;

/** Sockets of `node:net` take longer for each. */
const cycles = ownSockets ? 40_000 : 10_000;

testIf(HAS_PROC, '/proc')(
  `${cycles} connections leak no descriptor, thread or memory`,
  async (t) => {
    const result = await runChild(CHURN, { args: [`${cycles}`], timeout: 110_000 });
    t.is(result.code, 0, result.stderr);
    const { before, after, closes, opened, twice } = JSON.parse(result.stdout);
    t.log({ before, after, closes });
    t.is(after.fds, before.fds);
    t.is(after.threads, before.threads);
    // In use, and outside of the heap: how much room the collector keeps is its own business.
    t.true(after.heap < before.heap + 3, `${before.heap} MB became ${after.heap} MB`);
    t.true(after.outside < before.outside + 20, `${before.outside} MB became ${after.outside} MB`);
    t.is(twice, 0);
    t.is(closes.other, 0);
    t.is(closes.clean + closes.reset, opened);
    t.true(closes.clean > cycles / 4);
    // Node does not hand out a connection that is reset before it is accepted.
    if (ownSockets) t.true(closes.reset > cycles / 4);
  },
);
