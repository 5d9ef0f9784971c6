// Rows of `npm run test:threads`. As the program of a worker it does the worker's part.
/* oxlint-disable unicorn/require-post-message-target-origin -- ports have no origin */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { IOLoop } from 'ioloop';

/** `faults` is empty if the row has passed. @typedef {{ name: string, facts: string, faults: string[] }} Row */
/** @typedef {import('ioloop').RemoteHandle} RemoteHandle */

/** Posts of a worker between two calls that it awaits. */
const SPREE = 1_000;
/** Calls that wait in each loop that ends. */
const CALLS = 100;
/** Milliseconds that a worker posts and is called before it is terminated, at most. */
const LONGEST_LIFE = 30;
/** Milliseconds until a call that has not settled hangs. */
const PATIENCE = 30_000;

if (!isMainThread && workerData?.part !== undefined) {
  await { post: postAll, serve: serveAndPost }[/** @type {'post' | 'serve'} */ (workerData.part)]();
}

/**
 * Workers post to one loop, which closes when half has run: each accepted post has run once, in the
 * order of its worker, and the others failed with `ERR_IOLOOP_CLOSED`.
 *
 * @param {{ workers: number, posts: number }} options @returns {Promise<Row>}
 */
export async function closeInTheMiddle({ workers, posts }) {
  const each = posts / workers;
  const loop = new IOLoop({ makeCurrent: false });
  const ran = /** @type {number[]} */ (Array.from({ length: workers }).fill(0));
  let disordered = 0;
  let total = 0;
  let turns = 0;
  loop.expose('hit', (/** @type {number} */ id, /** @type {number} */ value) => {
    if (ran[id] !== value) disordered += 1;
    ran[id] = value + 1;
    total += 1;
    if (total === posts / 2) loop.stop();
  });
  loop.expose('sync', () => {});
  /** @type {((value: null) => void) | undefined} */
  let begin;
  const allJoined = new Promise((resolve) => (begin = resolve));
  let joined = 0;
  loop.expose('join', () => {
    joined += 1;
    if (joined === workers) begin?.(null);
    return allJoined;
  });
  const counts = Array.from({ length: workers }, async (_, id) => {
    const [counted] = await once(
      start({ part: 'post', handle: loop.remote(), id, each }),
      'message',
    );
    return /** @type {{ accepted: number, closed: number, full: number }} */ (counted);
  });
  const began = performance.now();
  await loop.start();
  ({ turns } = loop.metrics());
  loop.close();
  const results = await Promise.all(counts);
  const seconds = (performance.now() - began) / 1e3;
  const { postsAccepted, postWakeups } = loop.metrics();
  const faults = results.flatMap(({ accepted, closed }, id) => [
    ...(ran[id] === accepted ? [] : [`worker ${id}: ${accepted} accepted, ${ran[id]} ran`]),
    ...(accepted + closed === each ? [] : [`worker ${id}: ${each - accepted - closed} of no kind`]),
  ]);
  if (disordered > 0) faults.push(`${disordered} in disorder`);
  if (postWakeups > turns + 1) faults.push(`${postWakeups} wake-ups in ${turns} turns`);
  const closed = results.reduce((sum, result) => sum + result.closed, 0);
  if (closed === 0) faults.push('no post came after the close');
  const facts = `${total} ran, ${closed} refused by the close, ${postsAccepted} accepted with calls, ${postWakeups} wake-ups in ${turns} turns, ${seconds.toFixed(1)} s`;
  return { name: `${workers} workers, ${posts} posts, a close in the middle`, facts, faults };
}

/**
 * Workers with a loop each are terminated while they post to this thread's loop and while this thread
 * calls theirs: every call settles, and no descriptor is left.
 *
 * @param {{ workers: number, atOnce: number }} options @returns {Promise<Row>}
 */
export async function terminateWorkers({ workers, atOnce }) {
  const loop = new IOLoop({ makeCurrent: false });
  /** @type {Map<number, () => void>} */
  const arrivals = new Map();
  let hits = 0;
  loop.expose('hit', (/** @type {number} */ id) => {
    hits += 1;
    arrivals.get(id)?.();
    arrivals.delete(id);
  });
  const finished = loop.start();
  await oneLife(loop.remote(), arrivals, -1);
  const before = descriptors();
  const settled = { answered: 0, closed: 0 };
  /** @type {string[]} */
  const faults = [];
  for (let first = 0; first < workers; first += atOnce) {
    const ids = Array.from(
      { length: Math.min(atOnce, workers - first) },
      (_, index) => first + index,
    );
    const lives = await Promise.all(ids.map((id) => oneLife(loop.remote(), arrivals, id)));
    for (const life of lives) {
      settled.answered += life.answered;
      settled.closed += life.closed;
      faults.push(...life.faults);
    }
  }
  loop.stop();
  await finished;
  const after = descriptors();
  if (after > before) faults.push(`${before} descriptors before, ${after} after`);
  loop.close();
  const { answered, closed } = settled;
  if (closed === 0) faults.push('no call was waiting when its loop ended');
  const facts = `${hits} posts arrived, ${answered} calls answered, ${closed} rejected`;
  return { name: `${workers} workers terminated while they post and are called`, facts, faults };
}

/**
 * @param {RemoteHandle} handle @param {Map<number, () => void>} arrivals @param {number} id
 */
async function oneLife(handle, arrivals, id) {
  const hasPosted = new Promise((resolve) => arrivals.set(id, () => resolve(null)));
  const worker = start({ part: 'serve', handle, id });
  const [own] = /** @type {[RemoteHandle]} */ (await once(worker, 'message'));
  const remote = IOLoop.fromRemote(own);
  const calls = Array.from({ length: CALLS }, (_, value) => callOften(remote, value));
  await hasPosted;
  await sleep(Math.random() * LONGEST_LIFE);
  await worker.terminate();
  const late = sleep(PATIENCE, null, { ref: false });
  const results = await Promise.race([Promise.all(calls), late]);
  /** @type {string[]} */
  const faults = [];
  let answered = 0;
  let closed = 0;
  if (results === null) faults.push(`worker ${id}: calls hang`);
  for (const result of results ?? []) {
    answered += result.answered;
    if (result.code === 'ERR_IOLOOP_CLOSED') closed += 1;
    else faults.push(`worker ${id}: ${result.code}`);
  }
  return { answered, closed, faults };
}

/** Calls until it fails. @param {import('ioloop').RemoteLoop} remote @param {number} value */
async function callOften(remote, value) {
  let answered = 0;
  for (;;) {
    try {
      const result = await remote.call('echo', value);
      if (result !== value) return { answered, code: `${value} came back as ${result}` };
      answered += 1;
    } catch (error) {
      return { answered, code: codeOf(error) };
    }
  }
}

/** The part of a worker: as many posts as it has to make, each accepted or refused. */
async function postAll() {
  const { handle, id, each } = workerData;
  const remote = IOLoop.fromRemote(handle);
  await remote.call('join');
  let accepted = 0;
  let closed = 0;
  let full = 0;
  while (accepted + closed < each) {
    try {
      // Never far ahead of the loop, which is to close in the middle.
      if (closed === 0 && accepted % SPREE === 0) await remote.call('sync');
      remote.addCallback('hit', id, accepted);
      accepted += 1;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ERR_IOLOOP_CLOSED') {
        closed += 1;
      } else if (code === 'ERR_IOLOOP_INBOX_FULL') {
        full += 1;
        await sleep(1);
      } else {
        throw error;
      }
    }
  }
  parentPort?.postMessage({ accepted, closed, full });
}

/** The part of a worker: a loop of its own, and posts to that of the main thread, until it is ended. */
async function serveAndPost() {
  const { handle, id } = workerData;
  const remote = IOLoop.fromRemote(handle);
  const loop = new IOLoop();
  loop.expose('echo', async (/** @type {number} */ value) => value);
  loop.addCallback(function post() {
    try {
      for (let left = 50; left > 0; left -= 1) remote.addCallback('hit', id);
    } catch (error) {
      if (codeOf(error) !== 'ERR_IOLOOP_INBOX_FULL') throw error;
    }
    loop.addCallback(post);
  });
  parentPort?.postMessage(loop.remote());
  await loop.start();
}

/** @param {object} data */
function start(data) {
  return new Worker(new URL(import.meta.url), { workerData: data });
}

/** @param {unknown} error */
function codeOf(error) {
  return String(/** @type {{ code?: unknown }} */ (error).code ?? error);
}

/** The open descriptors of this process; 0 where they are not listed. */
function descriptors() {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
