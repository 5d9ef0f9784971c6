/** Options that are `null`, or no object, are refused by a code and with the value, everywhere. */
import test from 'ava';
import promClient from 'prom-client';
import {
  addAcceptHandler,
  bindSockets,
  bindUnixSocket,
  IOLoop,
  IOStream,
  DeadlineQueue,
  DeadlineSet,
  PeriodicCallback,
  serveHttp,
  Socket,
  TCPClient,
  TCPServer,
} from 'ioloop';
import { createServer } from 'node:http';
import { collectLoopMetrics } from 'ioloop/prometheus';
import { observeLoops } from 'ioloop/opentelemetry';
import { withLoop } from './helpers/loop.js';

interface Subjects {
  readonly loop: IOLoop;
  readonly stream: IOStream;
  readonly socket: Socket;
  readonly server: TCPServer;
}

/** Each public function that takes options; `never`, as no type allows what the test passes. */
const CALLS: Readonly<Record<string, (subjects: Subjects, options: never) => unknown>> = {
  'new IOLoop': (_, options) => new IOLoop(options),
  'IOLoop.configure': (_, options) => IOLoop.configure(IOLoop, options),
  'IOLoop.close': ({ loop }, options) => loop.close(options),
  'IOLoop.runSync': ({ loop }, options) => loop.runSync(async () => {}, options),
  'new DeadlineSet': ({ loop }, options) => new DeadlineSet(loop, options),
  'new DeadlineQueue': ({ loop }, options) => new DeadlineQueue(loop, options),
  'new PeriodicCallback': (_, options) => new PeriodicCallback(() => {}, 5, options),
  'new IOStream': ({ socket }, options) => new IOStream(socket, options),
  'IOStream.fromFd': ({ socket }, options) => IOStream.fromFd(socket, options),
  'IOStream.connect': ({ stream }, options) => stream.connect({ path: '/none' }, options),
  'IOStream.readBytes': ({ stream }, options) => stream.readBytes(1, options),
  'IOStream.readInto': ({ stream }, options) => stream.readInto(Buffer.alloc(1), options),
  'IOStream.readUntil': ({ stream }, options) => stream.readUntil('x', options),
  'IOStream.readUntilRegex': ({ stream }, options) => stream.readUntilRegex(/x/, options),
  'IOStream.readUntilClose': ({ stream }, options) => stream.readUntilClose(options),
  'IOStream.peek': ({ stream }, options) => stream.peek(1, options),
  'IOStream.chunks': ({ stream }, options) => stream.chunks(options).next(),
  'IOStream.write': ({ stream }, options) => stream.write('x', options),
  'IOStream.drain': ({ stream }, options) => stream.drain(options),
  'IOStream.shutdownWrite': ({ stream }, options) => stream.shutdownWrite(options),
  'IOStream.end': ({ stream }, options) => stream.end(options),
  'IOStream.toDuplex': ({ stream }, options) => stream.toDuplex(options),
  'IOStream.startTls': ({ stream }, options) => stream.startTls(options),
  'Socket.recv': ({ socket }, options) => socket.recv(1, options),
  'Socket.tcp': (_, options) => Socket.tcp(options),
  'new TCPServer': (_, options) => new TCPServer(options),
  'TCPServer.listen': ({ server }, options) => server.listen(0, '127.0.0.1', options),
  'TCPServer.bind': ({ server }, options) => server.bind(0, '127.0.0.1', options),
  'TCPServer.stop': ({ server }, options) => server.stop(options),
  'TCPServer.streams': ({ server }, options) => server.streams(options).next(),
  bindSockets: (_, options) => bindSockets(0, '127.0.0.1', options),
  bindUnixSocket: (_, options) => bindUnixSocket('\0ioloop-null-options', options),
  addAcceptHandler: ({ socket }, options) => addAcceptHandler(socket, () => {}, options),
  'new TCPClient': (_, options) => new TCPClient(options),
  'TCPClient.connect': (_, options) => new TCPClient().connect('127.0.0.1', 1, options),
  serveHttp: (_, options) => serveHttp(createServer(), options),
  collectLoopMetrics: ({ loop }, options) => collectLoopMetrics(loop, options),
  observeLoops: ({ loop }, options) => observeLoops(loop, options),
};

for (const [name, call] of Object.entries(CALLS)) {
  for (const value of [null, 7]) {
    test.serial(`options of ${name} that are ${value} are refused`, (t) =>
      withLoop(async (loop) => {
        const [stream, far] = IOStream.pair({ loop });
        const socket = Socket.tcp();
        const server = new TCPServer({ loop });
        try {
          const subjects = { loop, stream, socket, server };
          await t.throwsAsync(async () => void (await call(subjects, value as never)), {
            code: 'ERR_INVALID_ARG_TYPE',
            message: `"options" must be an object. Received ${value}`,
          });
          // Nothing has begun, and nothing was registered.
          t.false(socket.closed);
          t.false(stream.reading);
          t.false(loop.closed);
          t.deepEqual(server.addresses, []);
        } finally {
          stream.close();
          far.close();
          socket.close();
          promClient.register.clear();
          IOLoop.configure(null);
        }
      }),
    );
  }
}

/** The calls that take a loop. */
const WITH_LOOP = [
  'new IOStream',
  'IOStream.fromFd',
  'new TCPServer',
  'addAcceptHandler',
  'TCPClient.connect',
  'serveHttp',
] as const;

for (const name of WITH_LOOP) {
  test.serial(`the loop of ${name} is checked, that of another copy of the package too`, (t) =>
    withLoop(async (loop) => {
      const socket = Socket.tcp();
      const call = CALLS[name];
      // The others have no part in it.
      const subjects = { loop, socket } as unknown as Subjects;
      const values = [
        [7, /"loop" must be an IOLoop\. Received 7/],
        [{}, /"loop" must be an IOLoop\. Received \{\}/],
        [{ callLater() {} }, /"loop" must be an IOLoop of this copy of ioloop/],
      ] as const;
      for (const [value, message] of values) {
        const options = { loop: value } as never;
        await t.throwsAsync(async () => void (await call?.(subjects, options)), {
          code: 'ERR_INVALID_ARG_TYPE',
          message,
        });
      }
      t.false(socket.closed);
      socket.close();
    }),
  );
}
