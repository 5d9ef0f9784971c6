/** Interest in READ, WRITE and NONE, and its updates. */
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, readablePair } from './helpers/fds.js';
import { countCalls, countTurns, runTurns, withLoop } from './helpers/loop.js';

const { NONE, READ, WRITE, ERROR } = IOLoop;

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
    const counter = countCalls(loop, idle);
    await runTurns(loop, 4);
    t.is(counter.calls, 0);
    peer.send('x');
    await runTurns(loop, 4);
    t.true(counter.calls > 0);
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
    const counter = countCalls(loop, writer, () => loop.stop(), WRITE);
    await runTurns(loop, 5);
    t.is(counter.calls, 0);
    const running = loop.start();
    while (peer.recv(65_536) !== null);
    await running;
    t.true(counter.calls > 0);
    closeAll(writer, peer);
  }));

test('NONE pauses, and READ resumes with the data that came meanwhile', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair('a');
    let read = '';
    countCalls(loop, readable, () => (read += String(readable.recv(10))));
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
    const counter = countCalls(loop, readable, () => loop.updateHandler(readable, NONE));
    await runTurns(loop, 5);
    t.is(counter.calls, 1);
    loop.updateHandler(readable, READ);
    await runTurns(loop, 5);
    t.is(counter.calls, 2);
    closeAll(readable, peer);
  }));

test('a handler that is registered with NONE is not called until it is updated', (t) =>
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
    const counter = countCalls(loop, readable, () => loop.stop());
    loop.updateHandler(readable, READ);
    await loop.start();
    t.is(counter.calls, 1);
    const running = loop.start();
    loop.updateHandler(readable, READ);
    await running;
    t.is(counter.calls, 2);
    closeAll(readable, peer);
  }));
