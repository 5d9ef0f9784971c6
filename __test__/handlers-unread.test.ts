/** Sources are level-triggered: what is left unread is reported again. */
import { readSync, writeSync } from 'node:fs';
import test from 'ava';
import { Socket } from 'ioloop';
import { closeAll, drain, nodeTurns, pipe, readablePair } from './helpers/fds.js';
import { asleep, countCalls, countTurns, runTurns, withLoop } from './helpers/loop.js';

test('data that is left unread is reported again, until it is read', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair('abcdef');
    const read: string[] = [];
    countCalls(loop, readable, () => read.push(String(readable.recv(2))));
    await runTurns(loop, 10);
    t.deepEqual(read.slice(0, 3), ['ab', 'cd', 'ef']);
    t.true(read.slice(3).every((rest) => rest === 'null'));
    closeAll(readable, peer);
  }));

test('a source that is not read is reported once in each turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    const [readable, peer] = readablePair();
    const turns: number[] = [];
    countCalls(loop, readable, () => {
      turns.push(counter.turn);
      if (turns.length === 10) loop.stop();
    });
    await loop.start();
    const first = turns[0] as number;
    t.deepEqual(
      turns,
      Array.from({ length: 10 }, (_, index) => first + index),
    );
    closeAll(readable, peer);
  }));

test('a source that is not read keeps an otherwise idle loop turning', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const counter = countCalls(loop, readable, () => {
      if (counter.calls === 100) loop.stop();
    });
    await loop.start();
    t.is(counter.calls, 100);
    closeAll(readable, peer);
  }));

test('a source that is drained by other means is not reported again until new data', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    writeSync(writer, 'first');
    const read: (string | null)[] = [];
    countCalls(loop, reader, () => {
      read.push(drain(reader));
      if (read.length === 2) loop.stop();
      else loop.callLater(0.01, () => writeSync(writer, 'second'));
    });
    await loop.start();
    t.deepEqual(read, ['first', 'second']);
    loop.removeHandler(reader);
    closeAll(reader, writer);
  }));

test('a source that is read in part by other means is reported again', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    writeSync(writer, 'abcd');
    const read: string[] = [];
    countCalls(loop, reader, () => {
      const byte = Buffer.alloc(1);
      readSync(reader, byte);
      read.push(byte.toString());
      if (read.length === 4) loop.stop();
    });
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
    const counter = countCalls(loop, readable, () => loop.stop());
    await running;
    t.is(counter.calls, 1);
    closeAll(readable, peer);
  }));

test('a loop that sleeps is woken by data', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = Socket.pair();
    const read: string[] = [];
    countCalls(loop, readable, () => {
      read.push(String(readable.recv(10)));
      loop.stop();
    });
    const running = loop.start();
    await asleep(loop);
    t.deepEqual(read, []);
    peer.send('hello');
    await running;
    t.deepEqual(read, ['hello']);
    closeAll(readable, peer);
  }));
