/** What a worker had open when it ends: its own is closed, and nothing else. */
import { closeSync, openSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { isOpen } from './helpers/fds.js';
import { Socket } from 'ioloop';

/** A worker that opens two sockets, does something with the first, sends their numbers, and waits. */
function worker(what: string): Worker {
  const source = `
    import { closeSync } from 'node:fs';
    import { parentPort } from 'node:worker_threads';
    const { Socket } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
    const [first, second] = Socket.pair();
    const numbers = [first.fd, second.fd];
    ${what}
    parentPort.postMessage(numbers);
    setInterval(() => {}, 1_000);
  `;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
}

test.serial('sockets that a terminated worker had open are closed', async (t) => {
  const thread = worker('');
  const [[first, second]] = (await once(thread, 'message')) as [[number, number]];
  t.true(isOpen(first) && isOpen(second));
  await thread.terminate();
  t.false(isOpen(first) || isOpen(second));
});

test.serial('a number that became another file is left alone', async (t) => {
  const thread = worker('closeSync(first.fd);');
  const [[first]] = (await once(thread, 'message')) as [[number, number]];
  // The lowest free numbers are given out first: sooner or later it is this one.
  const files: number[] = [];
  while (!files.includes(first) && files.length < 100) files.push(openSync('/dev/null', 'r'));
  t.true(files.includes(first));
  await thread.terminate();
  t.true(isOpen(first));
  for (const file of files) closeSync(file);
});

test.serial('a socket that another thread has adopted stays open', async (t) => {
  const thread = worker('');
  const [[first]] = (await once(thread, 'message')) as [[number, number]];
  const adopted = Socket.fromFd(first);
  await thread.terminate();
  t.true(isOpen(first));
  t.false(adopted.closed);
  adopted.close();
  t.false(isOpen(first));
});

test.serial('a second copy of the package in the worker changes nothing of this', async (t) => {
  const copy = new URL('./ioloop.js?copy', import.meta.resolve('ioloop')).href;
  const thread = worker(`await import(${JSON.stringify(copy)});`);
  const [[first, second]] = (await once(thread, 'message')) as [[number, number]];
  await thread.terminate();
  t.false(isOpen(first) || isOpen(second));
});
