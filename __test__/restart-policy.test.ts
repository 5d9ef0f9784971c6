/** When crashed workers are replaced; which worker gets a connection. */
import test from 'ava';
import { leastConnections, restartPolicy, Restarts, roundRobin, type Candidate } from '#internal';

test('replacements in a row wait 0, 0.1, 0.2, 0.4 … and at most 10 seconds', (t) => {
  const restarts = new Restarts(restartPolicy(true));
  const delays = Array.from({ length: 10 }, (_, at) => restarts.next(0, at, 0.05));
  t.deepEqual(delays, [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]);
  // Each task has a row of its own.
  t.is(restarts.next(1, 20, 0.05), 0);
});

test('a worker that has lived longer than maxDelay begins a new row', (t) => {
  const restarts = new Restarts(restartPolicy({ minDelay: 1, maxDelay: 4 }));
  t.is(restarts.next(0, 0, 0), 0);
  t.is(restarts.next(0, 1, 3.9), 1);
  t.is(restarts.next(0, 2, 4.1), 0);
  t.is(restarts.next(0, 3, 0), 1);
});

test('maxRestarts counts those of all tasks, by default over all time', (t) => {
  const restarts = new Restarts(restartPolicy({ maxRestarts: 3, maxDelay: 1 }));
  t.deepEqual(
    [0, 1, 0, 1].map((task, at) => restarts.next(task, at * 1e6, 1e6)),
    [0, 0, 0, null],
  );
  t.is(new Restarts(restartPolicy(false)).next(0, 0, 0), null);
  const endless = new Restarts(restartPolicy({ maxRestarts: Infinity }));
  for (let at = 0; at < 1000; at += 1) t.not(endless.next(0, 0, 0), null);
});

test('a window forgets earlier replacements', (t) => {
  const restarts = new Restarts(restartPolicy({ maxRestarts: 2, window: { seconds: 60 } }));
  const times = [0, 30, 59, 60, 89, 90];
  t.deepEqual(
    times.map((now) => restarts.next(0, now, 100)),
    [0, 0, null, 0, null, 0],
  );
});

function candidates(...loads: number[]): (Candidate & { readonly name: number })[] {
  return loads.map((load, name) => ({ name, load, isFull: load >= 10 }));
}

test('round-robin passes over those that are full, and ends when all are', (t) => {
  const choose = roundRobin<Candidate & { readonly name: number }>();
  const three = candidates(0, 10, 0);
  t.deepEqual(
    Array.from({ length: 5 }, () => choose(three)?.name),
    [0, 2, 0, 2, 0],
  );
  t.is(choose(candidates(10, 11)), null);
  t.is(choose([]), null);
});

test('least-connections takes the lowest load, in turn among equal ones', (t) => {
  const choose = leastConnections<Candidate & { readonly name: number }>();
  t.is(choose(candidates(3, 1, 2))?.name, 1);
  const equal = candidates(1, 1, 1, 5);
  const chosen = new Set(Array.from({ length: 3 }, () => choose(equal)?.name));
  t.deepEqual([...chosen].toSorted(), [0, 1, 2]);
  t.is(choose(candidates(10, 12)), null);
});
