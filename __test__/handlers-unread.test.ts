/** Sources are level-triggered: what is left unread is reported again. */
import { readSync, writeSync } from 'node:fs';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, drain, nodeTurns, pipe, readablePair } from './helpers/fds.js';
import { countTurns, runTurns, withLoop } from './helpers/loop.js';

const { READ } = IOLoop;

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
