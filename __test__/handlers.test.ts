/** Handlers of descriptors: when they are called, with what, and what their errors do. */
import { readSync, writeSync } from 'node:fs';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, drain, nodeTurns, pipe, readablePair, tcpPair } from './helpers/fds.js';
import { countTurns, runTurns, start, takeReports, withLoop } from './helpers/loop.js';

const { NONE, READ, WRITE, ERROR } = IOLoop;
const FAILED = 0x08;
const HANG_UP = 0x10;

test('data that is left unread is reported again, until it is read', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair('abcdef');
    const read: string[] = [];
    loop.addHandler(
      readable,
      () => {
        read.push(String(readable.recv(2)));
      },
      READ,
    );
    await runTurns(loop, 10);
    t.deepEqual(read.slice(0, 3), ['ab', 'cd', 'ef']);
    t.true(read.slice(3).every((rest) => rest === 'null'));
    closeAll(readable, peer);
  }));

test('a source that nobody reads is reported once in each turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    const [readable, peer] = readablePair();
    const turns: number[] = [];
    loop.addHandler(
      readable,
      () => {
        turns.push(counter.turn);
        if (turns.length === 10) loop.stop();
      },
      READ,
    );
    await loop.start();
    const first = turns[0] as number;
    t.deepEqual(
      turns,
      Array.from({ length: 10 }, (_, index) => first + index),
    );
    closeAll(readable, peer);
  }));

test('a source that nobody reads keeps a loop turning that has nothing else to do', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    let calls = 0;
    loop.addHandler(
      readable,
      () => {
        calls += 1;
        if (calls === 100) loop.stop();
      },
      READ,
    );
    await loop.start();
    t.is(calls, 100);
    closeAll(readable, peer);
  }));

test('a source that was read by other means than ours is reported no more, until new data', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    writeSync(writer, 'first');
    const read: (string | null)[] = [];
    loop.addHandler(
      reader,
      () => {
        read.push(drain(reader));
        if (read.length === 2) loop.stop();
        else loop.callLater(0.01, () => writeSync(writer, 'second'));
      },
      READ,
    );
    await loop.start();
    t.deepEqual(read, ['first', 'second']);
    loop.removeHandler(reader);
    closeAll(reader, writer);
  }));

test('a part that was read by other means than ours leaves the rest reported', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    writeSync(writer, 'abcd');
    const read: string[] = [];
    loop.addHandler(
      reader,
      () => {
        const byte = Buffer.alloc(1);
        readSync(reader, byte);
        read.push(byte.toString());
        if (read.length === 4) loop.stop();
      },
      READ,
    );
    await loop.start();
    t.deepEqual(read, ['a', 'b', 'c', 'd']);
    loop.removeHandler(reader);
    closeAll(reader, writer);
  }));

test('a handler on a source that is readable already is called, in a running loop, too', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const running = loop.start();
    await nodeTurns();
    loop.addHandler(readable, () => loop.stop(), READ);
    await running;
    closeAll(readable, peer);
    t.pass();
  }));

test('a loop that sleeps is woken by data', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = Socket.pair();
    const read: string[] = [];
    loop.addHandler(
      readable,
      () => {
        read.push(String(readable.recv(10)));
        loop.stop();
      },
      READ,
    );
    const running = loop.start();
    await nodeTurns();
    t.deepEqual(read, []);
    peer.send('hello');
    await running;
    t.deepEqual(read, ['hello']);
    closeAll(readable, peer);
  }));

test('READ interest in a writable source that has data gets READ only', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const seen: number[] = [];
    loop.addHandler(readable, (_, events) => seen.push(events), READ);
    await runTurns(loop, 4);
    t.true(seen.length > 0);
    t.true(seen.every((events) => events === READ));
    closeAll(readable, peer);
  }));

test('READ interest in a writable source without data gets nothing', (t) =>
  withLoop(async (loop) => {
    const [idle, peer] = Socket.pair();
    loop.addHandler(idle, () => t.fail(), READ);
    await runTurns(loop, 4);
    t.pass();
    closeAll(idle, peer);
  }));

test('WRITE interest in a source that has data gets WRITE only', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const seen: number[] = [];
    loop.addHandler(readable, (_, events) => seen.push(events), WRITE);
    await runTurns(loop, 4);
    t.true(seen.length > 0);
    t.true(seen.every((events) => events === WRITE));
    closeAll(readable, peer);
  }));

test('READ and WRITE come in one call', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    const [readable, peer] = readablePair();
    const seen: [number, number][] = [];
    loop.addHandler(readable, (_, events) => seen.push([counter.turn, events]), READ | WRITE);
    await runTurns(loop, 4);
    t.true(seen.length >= 2);
    t.is(new Set(seen.map(([turn]) => turn)).size, seen.length, 'one call a turn');
    t.true(seen.every(([, events]) => events === (READ | WRITE)));
    closeAll(readable, peer);
  }));

test('WRITE is not reported while there is no room, and again when there is', (t) =>
  withLoop(async (loop) => {
    const [writer, peer] = Socket.pair();
    const block = Buffer.alloc(65_536);
    while (writer.send(block) !== null);
    let calls = 0;
    loop.addHandler(
      writer,
      () => {
        calls += 1;
        loop.stop();
      },
      WRITE,
    );
    await runTurns(loop, 5);
    t.is(calls, 0);
    const running = loop.start();
    while (peer.recv(65_536) !== null);
    await running;
    t.true(calls > 0);
    closeAll(writer, peer);
  }));

test('NONE pauses, and READ resumes with the data that came meanwhile', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair('a');
    let read = '';
    loop.addHandler(
      readable,
      () => {
        read += String(readable.recv(10));
      },
      READ,
    );
    loop.updateHandler(readable, NONE);
    await runTurns(loop, 4);
    t.is(read, '');
    peer.send('b');
    await runTurns(loop, 4);
    t.is(read, '');
    loop.updateHandler(readable, READ);
    await runTurns(loop, 4);
    t.is(read, 'ab');
    closeAll(readable, peer);
  }));

test('NONE pauses a source that was reported and left unread', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    let calls = 0;
    loop.addHandler(
      readable,
      () => {
        calls += 1;
        loop.updateHandler(readable, NONE);
      },
      READ,
    );
    await runTurns(loop, 5);
    t.is(calls, 1);
    loop.updateHandler(readable, READ);
    await runTurns(loop, 5);
    t.is(calls, 2);
    closeAll(readable, peer);
  }));

test('a handler that is registered with NONE hears of nothing until it is updated', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const seen: number[] = [];
    loop.addHandler(readable, (_, events) => seen.push(events), NONE);
    await runTurns(loop, 4);
    t.deepEqual(seen, []);
    loop.updateHandler(readable, READ);
    await runTurns(loop, 3);
    t.true(seen.length > 0);
    closeAll(readable, peer);
  }));

test('updateHandler replaces the events', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const seen = new Set<number>();
    loop.addHandler(readable, (_, events) => seen.add(events), READ);
    await runTurns(loop, 3);
    t.deepEqual([...seen], [READ]);
    seen.clear();
    loop.updateHandler(readable, WRITE);
    await runTurns(loop, 3);
    t.deepEqual([...seen], [WRITE]);
    seen.clear();
    loop.updateHandler(readable, READ | WRITE | ERROR);
    await runTurns(loop, 3);
    t.deepEqual([...seen], [READ | WRITE]);
    closeAll(readable, peer);
  }));

test('an update to the same events reports again what is left, in a loop that sleeps', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    loop.addHandler(readable, () => loop.stop(), READ);
    loop.updateHandler(readable, READ);
    await loop.start();
    const running = loop.start();
    loop.updateHandler(readable, READ);
    await running;
    t.pass();
    closeAll(readable, peer);
  }));

for (const [name, interest] of Object.entries({ NONE, READ, WRITE })) {
  test(`${name}: the hang-up of a pipe's last writer is reported in each turn`, (t) =>
    withLoop(async (loop) => {
      const [reader, writer] = pipe();
      closeAll(writer);
      const seen: number[] = [];
      loop.addHandler(
        reader,
        (_, events) => {
          seen.push(events);
          if (seen.length === 3) loop.stop();
        },
        interest,
      );
      await loop.start();
      t.true(seen.every((events) => (events & HANG_UP) !== 0));
      t.is(drain(reader), null);
      loop.removeHandler(reader);
      closeAll(reader);
    }));
}

test('a hang-up comes together with the data before it', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    writeSync(writer, 'last');
    closeAll(writer);
    let bits = 0;
    loop.addHandler(
      reader,
      (_, events) => {
        bits |= events;
        loop.stop();
      },
      READ,
    );
    await loop.start();
    t.is(bits, READ | HANG_UP);
    t.is(drain(reader), 'last');
    loop.removeHandler(reader);
    closeAll(reader);
  }));

test('a pipe without reader is an error at the writer, also for NONE', (t) =>
  withLoop(async (loop) => {
    for (const [interest, expected] of [
      [WRITE, WRITE | FAILED],
      [NONE, FAILED],
    ] as const) {
      const [reader, writer] = pipe();
      closeAll(reader);
      let bits = 0;
      loop.addHandler(
        writer,
        (_, events) => {
          bits |= events;
          loop.stop();
        },
        interest,
      );
      await loop.start();
      t.is(bits, expected);
      loop.removeHandler(writer);
      closeAll(writer);
    }
  }));

test('a Unix socket whose peer is closed is readable, writable and hung up', (t) =>
  withLoop(async (loop) => {
    const [socket, peer] = Socket.pair();
    peer.close();
    let bits = 0;
    loop.addHandler(
      socket,
      (_, events) => {
        bits |= events;
        loop.stop();
      },
      READ | WRITE,
    );
    await loop.start();
    t.is(bits, READ | WRITE | HANG_UP);
    loop.removeHandler(socket);
    socket.close();
  }));

test('the end of a half-closed stream is reported until the handler is removed', (t) =>
  withLoop(async (loop) => {
    const [client, server] = await tcpPair();
    client.send('last');
    client.shutdown('write');
    const read: (string | null)[] = [];
    loop.addHandler(
      server,
      (_, events) => {
        t.is(events, READ);
        read.push(server.recv(100)?.toString() ?? null);
        if (read.length === 4) loop.stop();
      },
      READ,
    );
    await loop.start();
    t.deepEqual(read, ['last', '', '', '']);
    closeAll(client, server);
  }));

test('a connection that was reset is an error and a hang-up', (t) =>
  withLoop(async (loop) => {
    const [client, server] = await tcpPair();
    server.send('never read');
    let bits = 0;
    loop.addHandler(client, () => client.close(), READ);
    loop.addHandler(
      server,
      (_, events) => {
        bits |= events;
        loop.stop();
      },
      NONE,
    );
    await loop.start();
    t.is(bits, FAILED | HANG_UP);
    t.throws(() => server.recv(1), { code: 'ECONNRESET' });
    loop.removeHandler(server);
    server.close();
  }));

test('the handler receives exactly what was passed', (t) =>
  withLoop(async (loop) => {
    const pairs = Array.from({ length: 4 }, () => readablePair());
    const fds = pairs.map(([readable]) => readable.fd);
    const things = [
      fds[0] as number,
      (pairs[1] as [Socket, Socket])[0],
      { fileno: () => fds[2] as number },
      { fd: fds[3] as number },
    ];
    const seen = new Set<unknown>();
    for (const thing of things) loop.addHandler(thing, (passed) => seen.add(passed), READ);
    await runTurns(loop, 3);
    t.deepEqual(
      things.map((thing) => seen.has(thing)),
      [true, true, true, true],
    );
    t.is(seen.size, 4);
    closeAll(...pairs.flat());
  }));

test('an object and its number are one registration', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const { fd } = readable;
    const seen: unknown[] = [];
    loop.addHandler(readable, (passed) => seen.push(passed), READ);
    t.throws(() => loop.addHandler(fd, () => {}, READ), { code: 'ERR_IOLOOP_FD_REGISTERED' });
    t.throws(() => loop.addHandler({ fd }, () => {}, READ), { code: 'ERR_IOLOOP_FD_REGISTERED' });
    loop.updateHandler(fd, NONE);
    await runTurns(loop, 3);
    t.deepEqual(seen, []);
    loop.updateHandler({ fileno: () => fd }, READ);
    await runTurns(loop, 3);
    t.true(seen.length > 0 && seen.every((passed) => passed === readable));
    loop.removeHandler(fd);
    loop.addHandler(fd, () => {}, READ);
    loop.removeHandler(readable);
    t.throws(() => loop.updateHandler(fd, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
    closeAll(readable, peer);
  }));

test('a handler that was removed is not called, and the fd can be added anew', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    loop.addHandler(readable, () => t.fail(), READ);
    loop.removeHandler(readable);
    loop.removeHandler(readable);
    await runTurns(loop, 3);
    loop.addHandler(readable, () => loop.stop(), READ);
    await loop.start();
    t.pass();
    closeAll(readable, peer);
  }));

test('the same fd may be registered in two loops', (t) =>
  withLoop((first) =>
    withLoop(async (second) => {
      const [readable, peer] = readablePair();
      first.addHandler(readable, () => first.stop(), READ);
      second.addHandler(readable, () => second.stop(), READ);
      await Promise.all([first.start(), second.start()]);
      t.pass();
      closeAll(readable, peer);
    }),
  ));

test('a drain in one loop does not hide new data from another', (t) =>
  withLoop((first) =>
    withLoop(async (second) => {
      const [readable, peer] = Socket.pair();
      const seen: string[] = [];
      const handler = (name: string) => (): void => {
        if (readable.recv(10) !== null) seen.push(name);
        if (seen.length === 2) [first, second].map((loop) => loop.stop());
        else if (seen.length === 1) peer.send('y');
      };
      first.addHandler(readable, handler('first'), READ);
      second.addHandler(readable, handler('second'), READ);
      const running = Promise.all([first.start(), second.start()]);
      peer.send('x');
      await running;
      t.is(seen.length, 2);
      closeAll(readable, peer);
    }),
  ));

test('a handler that awaits before it reads is not called for what it has read', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair('one');
    const read: string[] = [];
    loop.addHandler(
      readable,
      async () => {
        await Promise.resolve();
        const data = readable.recv(10);
        if (data !== null) read.push(data.toString());
        if (read.length === 1) peer.send('two');
        else loop.stop();
      },
      READ,
    );
    await loop.start();
    t.deepEqual(read, ['one', 'two']);
    closeAll(readable, peer);
  }));

test('EPIPE out of a handler is silent, and the handler stays', (t) =>
  withLoop(async (loop) => {
    const [socket, peer] = Socket.pair();
    peer.close();
    let calls = 0;
    loop.addHandler(
      socket,
      () => {
        calls += 1;
        if (calls === 3) loop.stop();
        socket.send('x');
      },
      WRITE,
    );
    await loop.start();
    t.is(calls, 3);
    t.deepEqual(takeReports(loop), []);
    loop.removeHandler(socket);
    socket.close();
  }));

test('another error out of a handler is reported each time, and the handler stays', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    let calls = 0;
    const handler = (): void => {
      calls += 1;
      if (calls === 3) loop.stop();
      throw new Error(`call ${calls}`);
    };
    loop.addHandler(readable, handler, READ);
    await loop.start();
    const reports = takeReports(loop);
    t.deepEqual(
      reports.map(({ error }) => (error as Error).message),
      ['call 1', 'call 2', 'call 3'],
    );
    t.true(reports.every(({ callback }) => callback === handler));
    closeAll(readable, peer);
  }));

test('EPIPE out of a callback is reported: only handlers expect it', (t) =>
  withLoop(async (loop) => {
    const [socket, peer] = Socket.pair();
    peer.close();
    await start(loop, () => {
      loop.stop();
      socket.send('x');
    });
    t.is(takeReports(loop).length, 1);
    socket.close();
  }));
