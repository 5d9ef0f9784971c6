/** `IOLoop.configure()`, and subclasses. The class is the thread's, so the tests take turns. */
import test from 'ava';
import { IOLoop, type IOLoopOptions } from 'ioloop';
import { ReportingLoop, start } from './helpers/loop.js';

test.beforeEach(() => {
  IOLoop.clearCurrent();
  IOLoop.configure(null);
});

test.serial('configure() chooses the class that new IOLoop() and current() make', (t) => {
  IOLoop.configure(ReportingLoop);
  const made = new IOLoop();
  t.true(made instanceof ReportingLoop);
  made.close();
  const current = IOLoop.current();
  t.true(current instanceof ReportingLoop);
  current.close();
  IOLoop.configure(null);
  const plain = new IOLoop();
  t.false(plain instanceof ReportingLoop);
  plain.close();
});

test.serial('configured options apply under those of the constructor', (t) => {
  IOLoop.configure(ReportingLoop, { timeFunc: () => 1, makeCurrent: false });
  const made = new IOLoop();
  t.is(made.time(), 1);
  t.is(IOLoop.current(false), null);
  const other = new IOLoop({ timeFunc: () => 2 });
  t.is(other.time(), 2);
  made.close();
  other.close();
});

test.serial(
  'current() makes a loop current that was configured not to become so by itself',
  (t) => {
    IOLoop.configure(ReportingLoop, { makeCurrent: false });
    const loop = IOLoop.current();
    t.true(loop instanceof ReportingLoop);
    t.is(IOLoop.current(), loop);
    loop.close();
  },
);

test.serial('configured options do not apply to a subclass that is made by its name', (t) => {
  IOLoop.configure(ReportingLoop, { timeFunc: () => 1 });
  const loop = new ReportingLoop();
  t.true(loop.time() > 1e9);
  loop.close();
});

test.serial('configure(IOLoop, options) gives the base class its options', (t) => {
  IOLoop.configure(IOLoop, { timeFunc: () => 7 });
  const loop = new IOLoop();
  t.is(loop.time(), 7);
  t.is(Object.getPrototypeOf(loop), IOLoop.prototype);
  loop.close();
});

test.serial('configure() refuses a value that is not a class of loops', (t) => {
  for (const impl of [Map, Object, 'IOLoop', 42, undefined, {}, () => {}]) {
    const error = t.throws(() => IOLoop.configure(impl as never));
    t.like(error, { code: 'ERR_IOLOOP_SUBCLASS' });
  }
  const loop = new IOLoop();
  t.is(Object.getPrototypeOf(loop), IOLoop.prototype);
  loop.close();
});

test.serial('a subclass gets its options through super()', async (t) => {
  class Named extends IOLoop {
    readonly #name: string;

    constructor(name: string, options?: IOLoopOptions) {
      super(options);
      this.#name = name;
    }

    get name(): string {
      return this.#name;
    }
  }
  const loop = new Named('mine', { makeCurrent: true });
  t.is(IOLoop.current(), loop);
  await start(loop, () => {
    loop.stop();
  });
  t.is(loop.name, 'mine');
  loop.close();
});
