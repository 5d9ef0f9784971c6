/** Types, checked by the compiler: this file compiles only if each of them is right. */
import type { FileHandle } from 'node:fs/promises';
import type { Socket as NodeSocket } from 'node:net';
import test from 'ava';
import { expectTypeOf } from 'expect-type';
import {
  defineWorker,
  Future,
  IOLoop,
  IOStream,
  lines,
  DeadlineQueue,
  DeadlineSet,
  PeriodicCallback,
  serveWorkers,
  Socket,
  taskId,
  TCPClient,
  TCPServer,
  TimeoutError,
  type Connection,
  type DetachedToken,
  type Driver,
  type Duration,
  type FdLike,
  type IOLoopClass,
  type Protocol,
  type RemoteHandle,
  type RemoteLoop,
  type Timeout,
  type WorkerGroup,
  type WorkerMetrics,
} from 'ioloop';

// The functions below are compiled and not called: types need no loop.

/** An object with a descriptor and more. */
interface Device {
  readonly name: string;
  fileno(): number;
}

function protocols(): void {
  const server = new TCPServer({
    protocol: {
      state: () => ({ count: 0 }),
      data(c, chunk) {
        expectTypeOf(c).toEqualTypeOf<Connection<{ count: number }>>();
        expectTypeOf(chunk).toEqualTypeOf<Buffer>();
      },
      close(c, error) {
        expectTypeOf(c.state.count).toEqualTypeOf<number>();
        expectTypeOf(error).toEqualTypeOf<Error | null>();
      },
    },
  });
  const stateless = new TCPServer({
    protocol: { data: (c) => expectTypeOf(c.state).toEqualTypeOf<undefined>() },
  });
  expectTypeOf(server).toExtend<TCPServer>();
  expectTypeOf(stateless).toExtend<TCPServer>();
  const framed: Protocol<string> = {
    data: lines((c, line) => {
      expectTypeOf(c.state).toEqualTypeOf<string>();
      expectTypeOf(line).toEqualTypeOf<Buffer>();
    }),
  };
  const client = new TCPClient();
  expectTypeOf(client.connect('a', 1, { protocol: framed })).toEqualTypeOf<
    Promise<Connection<string>>
  >();
  expectTypeOf(client.connect('a', 1, { timeout: 1 })).toEqualTypeOf<Promise<IOStream>>();
}

function handlers(loop: IOLoop, device: Device, file: FileHandle, socket: Socket): void {
  loop.addHandler(
    3,
    (fd, events) => {
      expectTypeOf(fd).toExtend<number>();
      expectTypeOf(events).toEqualTypeOf<number>();
    },
    IOLoop.READ,
  );
  loop.addHandler(
    device,
    (fd) => {
      expectTypeOf(fd).toEqualTypeOf<Device>();
      expectTypeOf(fd.name).toEqualTypeOf<string>();
    },
    IOLoop.READ | IOLoop.WRITE,
  );
  loop.addHandler(file, (fd) => expectTypeOf(fd).toEqualTypeOf<FileHandle>(), IOLoop.READ);
  loop.addHandler(socket, (fd) => expectTypeOf(fd).toEqualTypeOf<Socket>(), IOLoop.READ);
  loop.addHandler(process.stdin, (fd) => fd.isTTY, IOLoop.READ);
  loop.addHandler(device, async () => {}, IOLoop.NONE);
  // @ts-expect-error a string is not a descriptor
  loop.addHandler('3', () => {}, IOLoop.READ);
  // @ts-expect-error an object without descriptor is none
  loop.addHandler({ name: 'x' }, () => {}, IOLoop.READ);
  // @ts-expect-error the handler takes another object
  loop.addHandler(device, (fd: Socket) => fd, IOLoop.READ);
  loop.updateHandler(device, IOLoop.WRITE);
  loop.removeHandler(device);
  expectTypeOf(loop.splitFd(device)).toEqualTypeOf<[number, Device]>();
}

function callbacks(loop: IOLoop): void {
  loop.addCallback((name: string, count: number) => name.repeat(count), 'x', 2);
  loop.addCallback(() => {});
  loop.addCallback(async (flag: boolean) => flag, true);
  loop.spawnCallback((n: number) => n, 1);
  loop.addCallbackFromSignal((signal: NodeJS.Signals) => signal, 'SIGINT');
  // @ts-expect-error the second argument is missing
  loop.addCallback((name: string, count: number) => name.repeat(count), 'x');
  // @ts-expect-error an argument of the wrong type
  loop.addCallback((count: number) => count, 'x');
  // @ts-expect-error an argument that the callback does not take
  loop.addCallback(() => {}, 1);
  // @ts-expect-error not a function
  loop.addCallback('callback');
  expectTypeOf(loop.addCallback(() => 1)).toEqualTypeOf<void>();
}

function timeouts(loop: IOLoop, duration: Duration): void {
  expectTypeOf(loop.callLater(1, (n: number) => n, 1)).toEqualTypeOf<Timeout>();
  expectTypeOf(loop.callAt(1, () => {})).toEqualTypeOf<Timeout>();
  expectTypeOf(loop.addTimeout(duration, (s: string) => s, 'x')).toEqualTypeOf<Timeout>();
  expectTypeOf(loop.addTimeout({ minutes: 1 }, () => {})).toEqualTypeOf<Timeout>();
  expectTypeOf(loop.removeTimeout).parameters.toEqualTypeOf<[Timeout]>();
  expectTypeOf(loop.time()).toEqualTypeOf<number>();
  // @ts-expect-error callLater takes seconds, no duration
  loop.callLater({ seconds: 1 }, () => {});
  // @ts-expect-error a unit that does not exist
  loop.addTimeout({ secs: 1 }, () => {});
  // @ts-expect-error an argument is missing
  loop.callLater(1, (n: number) => n);
  // @ts-expect-error a handle has no cancel()
  loop.callLater(1, () => {}).cancel();
}

async function running(loop: IOLoop): Promise<void> {
  expectTypeOf(loop.start()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(loop.stop()).toEqualTypeOf<void>();
  expectTypeOf(loop.runSync(async () => 'text')).toEqualTypeOf<Promise<string>>();
  expectTypeOf(await loop.runSync(async () => 42)).toEqualTypeOf<number>();
  expectTypeOf(loop.runSync(() => {})).toEqualTypeOf<Promise<undefined>>();
  expectTypeOf(loop.runSync(() => null)).toEqualTypeOf<Promise<undefined>>();
  expectTypeOf(loop.runSync(async () => {}, { timeout: 1 })).toEqualTypeOf<Promise<void>>();
  await loop.runSync(
    async (signal) => {
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    },
    { timeout: { seconds: 1 } },
  );
  // @ts-expect-error a plain result is none
  await loop.runSync(() => 42);
}

function futures(loop: IOLoop): void {
  loop.addFuture(Promise.resolve('text'), (future) => {
    expectTypeOf(future).toEqualTypeOf<Future<string>>();
    expectTypeOf(future.result()).toEqualTypeOf<string>();
    expectTypeOf(future.exception()).toEqualTypeOf<unknown>();
  });
  // @ts-expect-error no promise
  loop.addFuture('text', () => {});
}

function statics(loop: IOLoop): void {
  expectTypeOf(IOLoop.current()).toEqualTypeOf<IOLoop>();
  expectTypeOf(IOLoop.current(true)).toEqualTypeOf<IOLoop>();
  expectTypeOf(IOLoop.current(false)).toEqualTypeOf<IOLoop | null>();
  expectTypeOf(IOLoop.instance()).toEqualTypeOf<IOLoop>();
  expectTypeOf(IOLoop.initialized()).toEqualTypeOf<boolean>();
  expectTypeOf<typeof IOLoop.READ>().toEqualTypeOf<1>();
  expectTypeOf<typeof IOLoop.WRITE>().toEqualTypeOf<4>();
  expectTypeOf<typeof IOLoop.ERROR>().toEqualTypeOf<24>();
  expectTypeOf<typeof IOLoop.NONE>().toEqualTypeOf<0>();
  expectTypeOf(IOLoop).toExtend<IOLoopClass>();
  expectTypeOf(loop.driver).toEqualTypeOf<Driver>();
  expectTypeOf(loop.running).toEqualTypeOf<boolean>();
  expectTypeOf(loop).toExtend<AsyncDisposable>();
  expectTypeOf<NodeSocket>().toExtend<FdLike>();
  expectTypeOf<FileHandle>().toExtend<FdLike>();
  expectTypeOf<TimeoutError>().toExtend<Error>();
  // @ts-expect-error readonly
  loop.running = true;
  // @ts-expect-error readonly
  IOLoop.READ = 2;
  // @ts-expect-error no class of loops
  IOLoop.configure(Map);
}

function remotes(loop: IOLoop, handle: RemoteHandle): void {
  const exposed = loop.expose({
    add: (left: number, right: number) => left + right,
    find: async (key: string) => [key],
  });
  expectTypeOf(loop.remote()).toEqualTypeOf<RemoteHandle>();
  const remote = IOLoop.fromRemote<typeof exposed>(handle);
  expectTypeOf(remote).toEqualTypeOf<RemoteLoop<typeof exposed>>();
  expectTypeOf(remote.call('add', 1, 2)).toEqualTypeOf<Promise<number>>();
  expectTypeOf(remote.call('find', 'x')).toEqualTypeOf<Promise<string[]>>();
  expectTypeOf(remote.addCallback('add', 1, 2)).toBeVoid();
  // @ts-expect-error a name that is not exposed
  remote.addCallback('none');
  // @ts-expect-error a number is wanted
  remote.addCallback('add', 1, '2');
  // @ts-expect-error an argument is missing
  void remote.call('add', 1);
  const one = loop.expose('one', (value: bigint) => value);
  expectTypeOf(IOLoop.fromRemote<typeof one>(handle).call('one', 1n)).toEqualTypeOf<
    Promise<bigint>
  >();
  expectTypeOf(IOLoop.fromRemote(handle).call('any', 1, 'x')).toEqualTypeOf<Promise<unknown>>();
  interface Service {
    sum(left: number, right: number): number;
  }
  const service: Service = { sum: (left, right) => left + right };
  expectTypeOf(loop.expose(service)).toEqualTypeOf<Service>();
  expectTypeOf(IOLoop.fromRemote<Service>(handle).call('sum', 1, 2)).toEqualTypeOf<
    Promise<number>
  >();
  // @ts-expect-error a string in place of a number
  IOLoop.fromRemote<Service>(handle).addCallback('sum', 1, 'x');
  // @ts-expect-error an interface with something else than functions
  IOLoop.fromRemote<{ version: string }>(handle);
  // @ts-expect-error no function
  loop.expose('value', 1);
}

function detached(socket: Socket, stream: IOStream): void {
  const [ofSocket, ofStream] = [socket.detach(), stream.detach()];
  expectTypeOf(ofSocket).toEqualTypeOf<DetachedToken<'socket'>>();
  expectTypeOf(ofStream).toEqualTypeOf<DetachedToken<'stream'>>();
  expectTypeOf(Socket.attach(ofSocket)).toEqualTypeOf<Socket>();
  expectTypeOf(IOStream.attach(ofStream)).toEqualTypeOf<IOStream>();
  expectTypeOf(IOStream.attach(ofSocket, { maxBufferSize: 1000 })).toEqualTypeOf<IOStream>();
  // @ts-expect-error a stream may have unread bytes, and a socket has none
  Socket.attach(ofStream);
  // @ts-expect-error no token
  IOStream.attach({ detached: 1 });
}

function workers(): void {
  defineWorker<{ readonly name: string }>(({ data, loop, listen, signal, taskId: id }) => {
    expectTypeOf(data).toEqualTypeOf<{ readonly name: string }>();
    expectTypeOf(loop).toEqualTypeOf<IOLoop>();
    expectTypeOf(listen).parameters.toEqualTypeOf<[server: TCPServer]>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    expectTypeOf(id).toEqualTypeOf<number>();
  });
  defineWorker(({ data }) => expectTypeOf(data).toBeUnknown());
  expectTypeOf(taskId()).toEqualTypeOf<number | null>();
  expectTypeOf(serveWorkers).returns.toEqualTypeOf<WorkerGroup>();
  expectTypeOf<WorkerGroup>().toExtend<AsyncDisposable>();
  expectTypeOf<WorkerGroup['metrics']>().returns.toEqualTypeOf<Promise<WorkerMetrics[]>>();
  // @ts-expect-error no function
  defineWorker({});
  // @ts-expect-error a way that does not exist
  serveWorkers('/main.mjs', { balance: 'random' });
}

function periodic(): void {
  expectTypeOf(new PeriodicCallback(() => 1, 10).isRunning()).toEqualTypeOf<boolean>();
  expectTypeOf(
    new PeriodicCallback(async () => {}, { seconds: 1 }, { jitter: 0.1 }).start(),
  ).toBeVoid();
  // @ts-expect-error a callback that wants arguments gets none
  expectTypeOf(new PeriodicCallback((n: number) => n, 10)).toBeObject();
}

function deadlines(loop: IOLoop): void {
  interface User {
    readonly name: string;
  }
  const set = new DeadlineSet<User>(loop, {
    onExpire: (users) => {
      expectTypeOf(users).toEqualTypeOf<User[]>();
    },
  });
  expectTypeOf(set.set({ name: 'ada' }, { minutes: 5 })).toEqualTypeOf<DeadlineSet<User>>();
  expectTypeOf([...set]).toEqualTypeOf<User[]>();
  // @ts-expect-error another type of key
  set.touch('ada');
  const inferred = new DeadlineQueue(loop, { onExpire: (names: string[]) => names.length });
  expectTypeOf(inferred.add('ada', 5)).toEqualTypeOf<number>();
  expectTypeOf(inferred.get(1)).toEqualTypeOf<string | undefined>();
}

test('the types of the public names are what the documentation says', (t) => {
  const compiled = [
    protocols,
    handlers,
    deadlines,
    callbacks,
    timeouts,
    running,
    futures,
    statics,
    remotes,
    detached,
    workers,
    periodic,
  ];
  for (const facts of compiled) t.is(typeof facts, 'function');
});
