// The measured servers: ours, and the same on Node's net and http. Prints the port.
//
//   server.mjs echo-handlers|echo-batched|echo-streams|echo-protocol|echo-busy-polling-streams|
//     echo-busy-polling-protocol|echo-node|lines-streams|lines-protocol|lines-node|http-streams|http-node
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';

const BACKLOG = 4096;
/** Seconds. */
const BUSY_POLL = 20e-6;
const kind = process.argv[2];
const ioloop = kind.endsWith('-node') ? {} : await import('ioloop');
const { IOLoop, Socket, TCPServer } = ioloop;

const servers = {
  /** Raw handlers: one system call of a socket for each report of the loop. */
  'echo-handlers': () => {
    const buffer = Buffer.allocUnsafeSlow(65_536);
    return handlers((loop, socket) => {
      try {
        const count = socket.recvInto(buffer);
        if (count === null) return;
        // The send buffer has room for the bytes as long as the peer reads.
        if (count > 0 && socket.send(buffer, 0, count) === count) return;
      } catch (error) {
        if (error.code !== 'ECONNRESET') throw error;
      }
      loop.removeHandler(socket);
      socket.close();
    });
  },

  /** Raw handlers, whose sends leave together. */
  'echo-batched': () =>
    handlers((loop, socket, events) => {
      try {
        // All is sent: reads again.
        if ((events & IOLoop.WRITE) !== 0) loop.updateHandler(socket, IOLoop.READ);
        const chunk = socket.recv(8192);
        if (chunk === null) return;
        if (chunk.length > 0) {
          if (!socket.sendLater(chunk)) loop.updateHandler(socket, IOLoop.WRITE);
          return;
        }
      } catch (error) {
        if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
      }
      loop.removeHandler(socket);
      socket.close();
    }),

  'echo-streams': () =>
    streams(async (stream) => {
      for await (const chunk of stream) if (!stream.send(chunk)) await stream.drain();
    }),

  'echo-protocol': () =>
    protocol({
      data: (connection, chunk) => {
        if (!connection.write(chunk)) connection.pause();
      },
      drain: (connection) => connection.resume(),
    }),

  'echo-busy-polling-streams': () => busyPolling('echo-streams'),

  'echo-busy-polling-protocol': () => busyPolling('echo-protocol'),

  /** Chunks that end with the call: large ones share memory. */
  'echo-borrowed': () =>
    protocol({
      chunks: 'borrowed',
      data: (connection, chunk) => {
        if (!connection.write(chunk)) connection.pause();
      },
      drain: (connection) => connection.resume(),
    }),

  /** Messages of a known size, which need no memory but the stream's own. */
  'bulk-streams': () =>
    streams(async (stream) => {
      const buffer = Buffer.allocUnsafeSlow(Math.min(Number(process.argv[3]), 1 << 18));
      for (;;) {
        const count = await stream.readInto(buffer, PARTIAL);
        await stream.write(count === buffer.length ? buffer : buffer.subarray(0, count));
      }
    }),

  'echo-node': () =>
    net((socket) => {
      socket.on('data', (data) => socket.write(data));
    }),

  /** With backpressure: does not read while the peer does not read. */
  'echo-piped-node': () =>
    net((socket) => {
      socket.pipe(socket);
    }),

  'lines-protocol': () =>
    protocol({ data: ioloop.lines((connection, line) => connection.write(line), WITH_END) }),

  'lines-streams': () =>
    streams(async (stream) => {
      for (;;) void stream.write(await stream.readUntil('\n', LINE));
    }),

  /** The usual program for lines on Node: split, keep the rest, answer each. */
  'lines-node': () => net((socket) => answerLines(socket, false)),

  /** The tuned program: all answers to a chunk in one write. */
  'lines-corked-node': () => net((socket) => answerLines(socket, true)),

  'http-streams': () => {
    const http = createHttpServer(respond);
    return streams((stream) => http.emit('connection', stream.toDuplex()));
  },

  'http-node': () => {
    const http = createHttpServer(respond);
    http.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, () => tell(http.address()));
  },
};

const PARTIAL = { partial: true };
const LINE = { maxBytes: 4096 };
/** As `readUntil()` returns a line. */
const WITH_END = { keepDelimiter: true };

await servers[kind]();

/** A server on a loop that polls before it sleeps. */
function busyPolling(name) {
  new IOLoop({ busyPoll: BUSY_POLL }).makeCurrent();
  return servers[name]();
}

/** Calls `serve(loop, socket, events)` while a connection has something to read. */
function handlers(serve) {
  const loop = IOLoop.current();
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen(BACKLOG);
  const onReady = (socket, events) => serve(loop, socket, events);
  loop.addHandler(
    listener,
    () => {
      for (let accepted; (accepted = listener.accept()) !== null;) {
        const [socket] = accepted;
        socket.setOption('noDelay', true);
        loop.addHandler(socket, onReady, IOLoop.READ);
      }
    },
    IOLoop.READ,
  );
  tell(listener.localAddress);
  return loop.start();
}

function streams(handleStream) {
  const server = new TCPServer({ handleStream });
  server.listen(0, '127.0.0.1', { backlog: BACKLOG });
  tell(server.addresses[0]);
  return IOLoop.current().start();
}

function protocol(functions) {
  const server = new TCPServer({ protocol: functions });
  server.listen(0, '127.0.0.1', { backlog: BACKLOG });
  tell(server.addresses[0]);
  return IOLoop.current().start();
}

function net(serve) {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, () => tell(server.address()));
}

function answerLines(socket, isCorked) {
  let rest = '';
  socket.setEncoding('latin1');
  socket.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    if (isCorked) socket.cork();
    for (const line of lines) socket.write(`${line}\n`, 'latin1');
    if (isCorked) socket.uncork();
  });
}

function respond(_, response) {
  response.setHeader('content-type', 'text/plain');
  response.end('hello, world\n');
}

/** @param {any} address */
function tell({ port }) {
  // Before memory is measured: excludes garbage.
  process.on('SIGUSR2', () => globalThis.gc?.());
  console.log(JSON.stringify({ port }));
}
