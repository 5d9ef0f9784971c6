/** Arguments of calls between threads that bytes cannot hold: shared memory, ports, transfers. */
import { once } from 'node:events';
import { Worker, type MessagePort } from 'node:worker_threads';
import test from 'ava';
import { IOLoop, transfer, type RemoteHandle } from 'ioloop';
import { withLoop } from './helpers/loop.js';

function worker(source: string, handle: RemoteHandle): Worker {
  return new Worker(
    `import { MessageChannel, workerData as handle } from 'node:worker_threads';
     const { IOLoop, transfer } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
     const remote = IOLoop.fromRemote(handle);
     ${source}`,
    { eval: true, execArgv: ['--input-type=module'], workerData: handle },
  );
}

test('a worker passes shared memory, a port and a buffer, in the order of its calls', async (t) => {
  await withLoop(async (loop) => {
    const seen: unknown[] = [];
    loop.expose({
      plain: (value: unknown) => {
        seen.push(value);
      },
      shared: (memory: SharedArrayBuffer, view: Uint8Array) => {
        seen.push('shared', view.buffer === memory);
        new Uint8Array(memory)[0] = 7;
        return 'written';
      },
      port: (port: MessagePort) => {
        seen.push('port');
        port.postMessage('by the port');
        port.close();
      },
      buffer: (bytes: Uint8Array) => {
        seen.push(bytes.length, bytes[5]);
      },
    });
    const thread = worker(
      `remote.addCallback('plain', 1);
       const memory = new SharedArrayBuffer(8);
       const written = remote.call('shared', memory, new Uint8Array(memory));
       remote.addCallback('plain', 2);
       const bytes = new Uint8Array(100_000).fill(9);
       remote.addCallback('buffer', transfer(bytes, [bytes.buffer]));
       remote.addCallback('plain', bytes.length);
       const { port1, port2 } = new MessageChannel();
       const message = new Promise((resolve) => port1.once('message', resolve));
       remote.addCallback('port', transfer(port2, [port2]));
       remote.addCallback('plain', await written);
       remote.addCallback('plain', new Uint8Array(memory)[0]);
       remote.addCallback('plain', await message);
       remote.stop();`,
      loop.remote(),
    );
    const exit = once(thread, 'exit');
    await loop.start();
    await exit;
    t.deepEqual(seen, [1, 'shared', true, 2, 100_000, 9, 0, 'port', 'written', 7, 'by the port']);
  });
});

test('the thread of the loop itself may pass them', async (t) => {
  await withLoop(async (loop) => {
    const memory = new SharedArrayBuffer(8);
    loop.expose('fill', (view: Float64Array) => view.fill(1.5).length);
    const remote = IOLoop.fromRemote(loop.remote());
    const result = remote.call('fill', new Float64Array(memory));
    const finished = loop.start();
    t.is(await result, 1);
    t.is(new Float64Array(memory)[0], 1.5);
    const bytes = new Float64Array(4);
    t.is(await remote.call('fill', transfer(bytes, [bytes.buffer])), 4);
    t.is(bytes.length, 0);
    loop.stop();
    await finished;
  });
});

test('what is refused is not transferred', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('hit', () => {});
    const remote = IOLoop.fromRemote(loop.remote());
    const bytes = new Uint8Array(8);
    const mixed = transfer({ bytes, bad: () => {} }, [bytes.buffer]);
    t.throws(() => remote.addCallback('hit', mixed), { code: 'ERR_IOLOOP_NOT_CLONEABLE' });
    t.is(bytes.length, 8);
    remote.addCallback('hit', transfer(bytes, [bytes.buffer]));
    t.is(bytes.length, 0);
    const other = new Uint8Array(8);
    loop.close();
    t.throws(() => remote.addCallback('hit', transfer(other, [other.buffer])), {
      code: 'ERR_IOLOOP_CLOSED',
    });
    t.is(other.length, 8);
  });
});

test('close() runs a post with shared memory', async (t) => {
  await withLoop((loop) => {
    const memory = new SharedArrayBuffer(8);
    loop.expose('fill', (shared: SharedArrayBuffer) => new Uint8Array(shared).fill(3));
    IOLoop.fromRemote(loop.remote()).addCallback('fill', memory);
    loop.close();
    t.is(new Uint8Array(memory)[0], 3);
  });
});

test('workers that end after they have passed shared memory lose nothing', async (t) => {
  const WORKERS = 8;
  await withLoop(async (loop) => {
    let hits = 0;
    loop.expose('hit', (memory: SharedArrayBuffer) => {
      hits += memory.byteLength;
      if (hits === WORKERS * 10) loop.stop();
    });
    for (let id = 0; id < WORKERS; id += 1) {
      worker(
        `for (let left = 10; left > 0; left -= 1) remote.addCallback('hit', new SharedArrayBuffer(1));`,
        loop.remote(),
      );
    }
    await loop.start();
    t.is(hits, WORKERS * 10);
  });
});

test('results with shared memory, and wrong arguments of transfer(), are refused', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('make', () => new SharedArrayBuffer(8));
    const refused = t.throwsAsync(IOLoop.fromRemote(loop.remote()).call('make'), {
      code: 'ERR_IOLOOP_NOT_CLONEABLE',
    });
    const finished = loop.start();
    await refused;
    loop.stop();
    await finished;
  });
  t.throws(() => transfer(1 as never, []), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => transfer({}, null as never), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('a getter that transfers while its own value is transferred', async (t) => {
  await withLoop(async (loop) => {
    const seen: unknown[] = [];
    loop.expose('hit', ({ name, memory }: { name: string; memory: ArrayBuffer }) => {
      seen.push(name, memory.byteLength);
    });
    const remote = IOLoop.fromRemote(loop.remote());
    const inner = { name: 'inner', memory: new ArrayBuffer(1) };
    const outer = {
      get name(): string {
        remote.addCallback('hit', transfer(inner, [inner.memory]));
        return 'outer';
      },
      memory: new ArrayBuffer(2),
    };
    remote.addCallback('hit', transfer(outer, [outer.memory]));
    remote.stop();
    await loop.start();
    t.deepEqual(seen, ['inner', 1, 'outer', 2]);
  });
});

test('transferred memory and what goes with a port counts as large arguments that wait', async (t) => {
  const makers: readonly (() => unknown)[] = [
    () => {
      const bytes = new Uint8Array(40 << 20);
      return transfer({ nested: new Map([['a', [bytes]]]) }, [bytes.buffer]);
    },
    () => [new Int32Array(new SharedArrayBuffer(4)), 'x'.repeat(20 << 20)],
  ];
  for (const make of makers) {
    await withLoop(async (loop) => {
      let count = 0;
      loop.expose('hit', () => (count += 1));
      const remote = IOLoop.fromRemote(loop.remote());
      remote.addCallback('hit', make());
      remote.addCallback('hit', make());
      t.throws(() => remote.addCallback('hit', make()), { code: 'ERR_IOLOOP_INBOX_FULL' });
      loop.addCallback(() => loop.stop());
      await loop.start();
      // A turn has made room.
      remote.addCallback('hit', make());
      loop.addCallback(() => loop.stop());
      await loop.start();
      t.is(count, 3);
    });
  }
});
