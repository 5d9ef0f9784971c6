/**
 * The layouts that TypeScript and Rust share: what one side writes, the other reads. Each test
 * crosses with the real arrays, so that neither side can change alone.
 */
import { constants } from 'node:os';
import test from 'ava';
import {
  Completions,
  capabilities,
  native,
  readiness,
  SendBatch,
  Submissions,
  type NativeHandle,
} from '#internal';
import { Socket } from 'ioloop';
import { closeAll, drain, pipe } from './helpers/fds.js';

const { READ, WRITE, EDGE } = readiness;
const { MODE_STREAM, MODE_RECEIVE, MODE_FILE, NOT_RECEIVED, RECEIVED_LATER } = native;
const TIMERS = 8;
const EVENTS = 4;
/** Most bytes that a turn receives from a source. */
const RECEIVE = 8;
const POSTS = 1;
const LARGE_ID = 70_000;

/** One ready source, as the completions have it. */
interface Ready {
  readonly index: number;
  readonly bits: number;
  readonly received: number;
}

/** A loop without its turns: the test makes the crossings. */
class Core {
  readonly handle = open();
  readonly submissions = new Submissions(4, () => this.submit());
  readonly completions = new Completions(TIMERS, EVENTS);
  readonly modes = new Uint8Array(16);
  readonly block = new Uint8Array(64);

  submit(): void {
    native.loopSubmit(this.handle, this.submissions.words, this.submissions.length);
    this.submissions.taken();
  }

  /** One turn at `now` seconds, which receives from `used` on, for at most `receives` sources. */
  turn(
    now: number,
    used = 0,
    receives = EVENTS,
  ): { readonly due: number[]; readonly ready: Ready[] } {
    const { handle, submissions, completions, modes, block } = this;
    const { words, length } = submissions;
    completions.words.fill(-1);
    const result = native.loopTurn(
      handle,
      now,
      words,
      length,
      completions.words,
      modes,
      block,
      used,
      receives,
    );
    submissions.taken();
    if (result < 0 || completions.errno !== 0) throw new Error(`turn: ${result}`);
    const due: number[] = [];
    const ready: Ready[] = [];
    completions.timersTo({ collect: (ids, from, end) => due.push(...ids.subarray(from, end)) });
    completions.sourcesTo(
      { collect: (index, bits, received) => ready.push({ index, bits, received }) },
      (error) => {
        throw error;
      },
    );
    return { due, ready };
  }

  register(fd: number, interest: number, mode = 0): number {
    const index = native.loopRegister(this.handle, fd, interest);
    if (index < 0) throw new Error(`register: ${index}`);
    this.modes[index] = mode;
    return index;
  }

  close(): void {
    native.loopClose(this.handle);
  }
}

function open(): NativeHandle {
  const driver = capabilities.descriptors ? 'thread' : 'host';
  const handle = native.loopOpen(driver, 0, true, TIMERS, EVENTS, RECEIVE, POSTS);
  if (typeof handle === 'number') throw new Error(`open: ${handle}`);
  return handle;
}

test('ARM: ids and deadlines cross, and the due ids come back in firing order', (t) => {
  const core = new Core();
  core.submissions.arm(LARGE_ID, 2);
  core.submissions.arm(0, 1.5);
  core.submissions.arm(3, 1.5);
  core.submissions.arm(7, 2.000_001);
  t.deepEqual(core.turn(1).due, []);
  t.deepEqual(core.turn(2).due, [0, 3, LARGE_ID]);
  t.deepEqual(core.turn(3).due, [7]);
  core.close();
});

test('ARM: an armed timer is moved', (t) => {
  const core = new Core();
  core.submissions.arm(5, 1);
  core.submissions.arm(5, 3);
  t.deepEqual(core.turn(2).due, []);
  t.deepEqual(core.turn(3).due, [5]);
  core.close();
});

test('CANCEL: a timer of this crossing or of one before does not fire, the others do', (t) => {
  const core = new Core();
  core.submissions.arm(LARGE_ID, 1);
  core.submissions.arm(1, 1);
  core.submissions.arm(2, 1);
  core.submissions.cancel(1);
  t.deepEqual(core.turn(0.5).due, []);
  core.submissions.cancel(LARGE_ID);
  t.deepEqual(core.turn(1).due, [2]);
  core.close();
});

test('DRAINED: a source is asked again until all that was reported is drained', (t) => {
  const core = new Core();
  const [first, second] = Socket.pair();
  first.send('x');
  const index = core.register(second.fd, READ | WRITE);
  const both = [{ index, bits: READ | WRITE, received: NOT_RECEIVED }];
  t.deepEqual(core.turn(0).ready, both);
  t.deepEqual(core.turn(0).ready, both, 'level-triggered');
  core.submissions.drained(index, WRITE);
  t.deepEqual(core.turn(0).ready, both, 'READ is left');
  core.submissions.drained(index + 1, READ | WRITE);
  t.deepEqual(core.turn(0).ready, both, 'another index');
  core.submissions.drained(index, WRITE);
  core.submissions.drained(index, READ);
  // Where the selector reports levels, it reports what is true.
  t.deepEqual(core.turn(0).ready, capabilities.edges ? [] : both);
  core.close();
  closeAll(first, second);
});

test('submissions that do not fit the array are handed over, in their order', (t) => {
  const core = new Core();
  for (let id = 0; id < TIMERS; id += 1) core.submissions.arm(id, 1);
  for (let id = 1; id < TIMERS; id += 2) core.submissions.cancel(id);
  t.deepEqual(core.turn(1).due, [0, 2, 4, 6]);
  core.close();
});

test('a turn receives for streams that wait, one behind the other in the block', (t) => {
  const core = new Core();
  const pairs = [Socket.pair(), Socket.pair(), Socket.pair()];
  const [reader, writer] = pipe();
  const mode = MODE_STREAM | MODE_RECEIVE;
  const watched = pairs.map(([, end]) => core.register(end.fd, READ | EDGE, mode));
  watched.push(core.register(reader, READ | EDGE, mode | MODE_FILE));
  pairs[0]?.[0].send('socket');
  pairs[1]?.[0].shutdown('write');
  pairs[2]?.[0].send('not asked for');
  core.modes[watched[2] as number] = MODE_STREAM;
  native.fdWrite(writer, Buffer.from('pipe and more'), 0, 13);
  const used = 5;
  const { ready } = core.turn(0, used);
  const byIndex = new Map<number, string | number>();
  let at = used;
  for (const { index, received } of ready) {
    const length = Math.max(received, 0);
    const text = Buffer.from(core.block).toString('latin1', at, at + length);
    byIndex.set(index, length > 0 ? text : received);
    at += length;
  }
  t.deepEqual(
    watched.map((index) => byIndex.get(index)),
    ['socket', 0, NOT_RECEIVED, 'pipe and'],
  );
  t.deepEqual([...core.block.subarray(0, used)], [0, 0, 0, 0, 0]);
  core.close();
  closeAll(...pairs.flat(), reader, writer);
});

test('a turn receives nothing into a block without room for a whole chunk', (t) => {
  const core = new Core();
  const [first, second] = Socket.pair();
  const index = core.register(second.fd, READ | EDGE, MODE_STREAM | MODE_RECEIVE);
  first.send('x');
  const { ready } = core.turn(0, core.block.length - RECEIVE + 1);
  t.deepEqual(ready, [{ index, bits: READ, received: NOT_RECEIVED }]);
  core.close();
  closeAll(first, second);
});

test('a turn receives for so many sources, and loopReceive for the others', (t) => {
  const core = new Core();
  const pairs = Array.from({ length: 3 }, () => Socket.pair());
  const mode = MODE_STREAM | MODE_RECEIVE;
  const indices = pairs.map(([mine]) => core.register(mine.fd, READ | EDGE, mode));
  for (const [, peer] of pairs) peer.send('x');
  const { ready } = core.turn(0, 0, 1);
  t.deepEqual(
    ready.map(({ received }) => received),
    [1, RECEIVED_LATER, RECEIVED_LATER],
  );
  const [, second, third] = ready.map(({ index }) => index) as [number, number, number];
  const [none, unknown] = [-1, 1 + Math.max(...indices)];
  core.modes[third] = MODE_STREAM;
  const requests = Int32Array.of(none, 7, unknown, 7, second, 7, third, 7, second, 7);
  const { handle, modes, block } = core;
  t.is(native.loopReceive(handle, requests, 4, modes, block, 1), 1);
  // The last one is beyond the count.
  t.deepEqual(
    [...requests],
    [none, NOT_RECEIVED, unknown, NOT_RECEIVED, second, 1, third, NOT_RECEIVED, second, 7],
  );
  t.is(Buffer.from(block).toString('latin1', 0, 2), 'xx');
  core.close();
  t.is(native.loopReceive(handle, requests, 4, modes, block, 0), -constants.errno.EBADF);
  closeAll(...pairs.flat());
});

test('what a turn cannot receive comes back as a negative errno', (t) => {
  const core = new Core();
  const [reader, writer] = pipe();
  // Without MODE_FILE: recv(2) on a pipe.
  const index = core.register(reader, READ | EDGE, MODE_STREAM | MODE_RECEIVE);
  native.fdWrite(writer, Buffer.from('x'), 0, 1);
  t.deepEqual(core.turn(0).ready, [{ index, bits: READ, received: -constants.errno.ENOTSOCK }]);
  core.close();
  closeAll(reader, writer);
});

test('a batch sends the chains of its senders, each in its order', (t) => {
  const [left, right] = [Socket.pair(), Socket.pair()];
  const [reader, writer] = pipe();
  const batch = new SendBatch(64, 8, (error) => t.fail(String(error)));
  const results: [string, number][] = [];
  const sender = (name: string, fd: number, mode: number) => ({
    fd,
    mode,
    onSent: (rest: Uint8Array | null, result: number) => {
      t.is(rest, null);
      results.push([name, result]);
    },
    onSendFailed: () => ({
      onSendError: (error: unknown) => results.push([name, error as number]),
    }),
  });
  const senders = [
    sender('left', left[0].fd, MODE_STREAM),
    sender('pipe', writer, MODE_STREAM | MODE_FILE),
    sender('closed', -1, MODE_STREAM),
    sender('right', right[0].fd, MODE_STREAM),
  ];
  const chains = senders.map((each, at) => batch.writeString(each, null, `${at}a`));
  // Not adjacent to the pieces before: each is a record of its own.
  for (const [at, each] of senders.entries()) {
    batch.write(each, chains[at] ?? null, Buffer.from(`${at}bc`));
  }
  batch.flush();
  t.deepEqual(results, [
    ['left', 5],
    ['pipe', 5],
    ['right', 5],
    ['closed', -constants.errno.EBADF],
  ]);
  t.is(String(left[1].recv(64)), '0a0bc');
  t.is(drain(reader), '1a1bc');
  t.is(String(right[1].recv(64)), '3a3bc');
  closeAll(...left, ...right, reader, writer);
});

test('a chain that was sent is used again; a failed or cancelled one stays with its sender', async (t) => {
  const [first, second] = Socket.pair();
  const batch = new SendBatch(64, 8, (error) => t.fail(String(error)));
  const senderOn = (fd: number) => ({
    fd,
    mode: MODE_STREAM,
    onSent: () => {},
    onSendFailed: () => ({ onSendError: () => {} }),
  });
  const writeAll = () =>
    [first.fd, -1, first.fd].map((fd) => batch.writeString(senderOn(fd), null, 'ab'));
  const before = writeAll();
  const promises = before.map(({ promise }) => promise);
  batch.cancel(before[2] as (typeof before)[0]);
  batch.flush();
  await promises[0];
  const after = writeAll();
  t.deepEqual(
    after.map((chain, at) => chain === before[at]),
    [true, false, false],
  );
  t.not(after[0]?.promise, promises[0]);
  for (const at of [1, 2]) {
    t.is(before[at]?.promise, promises[at]);
    t.is(before[at]?.bytes, 2);
  }
  const sent = [after[0]?.promise, after[2]?.promise];
  batch.flush();
  await Promise.all(sent);
  t.is(String(second.recv(64)), 'ababab');
  closeAll(first, second);
});

test('the bits of interests and reports are the same on both sides', (t) => {
  const core = new Core();
  const [first, second] = Socket.pair();
  const index = core.register(first.fd, READ | WRITE);
  const reported = () => core.turn(0).ready[0]?.bits;
  t.is(reported(), WRITE);
  second.send('x');
  t.is(reported(), READ | WRITE);
  second.shutdown('write');
  t.is(reported(), READ | WRITE | readiness.READ_CLOSED);
  second.close();
  t.is((reported() ?? 0) & readiness.HANG_UP, readiness.HANG_UP);
  t.is(native.loopReregister(core.handle, index, readiness.NONE), 0);
  t.is((reported() ?? 0) & (READ | WRITE), 0);
  core.close();
  first.close();
});

test('the bits of a readiness are those of the core', (t) => {
  t.is(readiness.READ, native.READY_READ);
  t.is(readiness.PRI, native.READY_PRI);
  t.is(readiness.WRITE, native.READY_WRITE);
  t.is(readiness.ERROR, native.READY_ERROR);
  t.is(readiness.HANG_UP, native.READY_HANG_UP);
  t.is(readiness.READ_CLOSED, native.READY_READ_CLOSED);
  t.is(readiness.ERROR_OR_HANG_UP, native.READY_ERROR | native.READY_HANG_UP);
});

test('a flush that is cut by an exception goes on in the next one, once for each sender', (t) => {
  const [left, right] = [Socket.pair(), Socket.pair()];
  const batch = new SendBatch(64, 8, (error) => t.fail(String(error)));
  const calls: string[] = [];
  let full = true;
  // In the place of the end of the call stack, which may be anywhere.
  const atEndOfStack = (): void => {
    if (full) throw new RangeError('stack');
  };
  const sender = (name: string, fd: () => number) => ({
    get fd() {
      return fd();
    },
    mode: MODE_STREAM,
    onSent: (rest: Uint8Array | null) =>
      calls.push(`${name} sent ${String(rest?.length ?? 'all')}`),
    onSendFailed: () => {
      atEndOfStack();
      return { onSendError: (error: unknown) => calls.push(`${name} ${String(error)}`) };
    },
  });
  const first = sender('first', () => left[0].fd);
  const failing = sender('failing', () => -1);
  const last = sender('last', () => {
    if (calls.length === 1) atEndOfStack();
    return right[0].fd;
  });
  for (const each of [first, failing, last]) batch.writeString(each, null, 'ab');
  calls.push('begin');
  // Before anything is sent: nothing has changed.
  t.throws(() => batch.flush(), { instanceOf: RangeError });
  t.deepEqual(calls, ['begin']);
  t.true(batch.hasRoom(1));
  t.is(left[1].recv(8), null);
  calls.push('again');
  // Afterwards: what is sent is not sent again, and nothing is written in between.
  t.throws(() => batch.flush(), { instanceOf: RangeError });
  t.false(batch.hasRoom(0));
  t.deepEqual(calls, ['begin', 'again', 'first sent all']);
  full = false;
  batch.flush();
  t.deepEqual(calls.slice(3), ['last sent all', `failing -${constants.errno.EBADF}`]);
  t.is(batch.sent, 4);
  t.is(batch.chains, 0);
  batch.writeString(first, null, 'cd');
  batch.flush();
  t.is(String(left[1].recv(8)), 'abcd');
  t.is(String(right[1].recv(8)), 'ab');
  closeAll(...left, ...right);
});
