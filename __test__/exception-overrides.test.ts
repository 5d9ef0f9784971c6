/** Overrides of `handleCallbackException`, and overrides that fail themselves. */
import test from 'ava';
import { type Callback } from 'ioloop';
import { runChild } from './helpers/child.js';
import { start, withLoop } from './helpers/loop.js';

test('handleCallbackException can be overridden by assignment', (t) =>
  withLoop(async (loop) => {
    const seen: [Callback | null, unknown][] = [];
    loop.handleCallbackException = function handle(this: unknown, callback, error) {
      t.is(this, loop);
      seen.push([callback, error]);
    };
    const error = new Error('on purpose');
    const callback = (): never => {
      throw error;
    };
    loop.addCallback(callback);
    await start(loop, () => {
      loop.stop();
    });
    t.deepEqual(seen, [[callback, error]]);
    t.deepEqual(loop.reports, []);
  }));

test('an override may be changed while the loop runs', (t) =>
  withLoop(async (loop) => {
    const fail = (): never => {
      throw new Error('on purpose');
    };
    const order: string[] = [];
    loop.handleCallbackException = () => {
      order.push('first');
      loop.handleCallbackException = () => {
        order.push('second');
      };
    };
    loop.addCallback(fail);
    loop.addCallback(fail);
    await start(loop, () => {
      loop.stop();
    });
    t.deepEqual(order, ['first', 'second']);
  }));

test('an override may stop the loop', (t) =>
  withLoop(async (loop) => {
    loop.handleCallbackException = () => {
      loop.stop();
    };
    await start(loop, () => {
      throw new Error('on purpose');
    });
    t.false(loop.running);
  }));

const OVERRIDE_THAT_THROWS = `
  import { IOLoop } from 'ioloop';
  const loop = new IOLoop();
  loop.handleCallbackException = () => { throw new Error('from the override'); };
  loop.addCallback(() => { throw new Error('from the callback'); });
  loop.addCallback(() => {
    console.log('the turn goes on');
    loop.addCallback(() => { console.log('the loop goes on'); loop.stop(); });
  });
`;

test('an override that throws becomes an uncaught exception that carries both errors', async (t) => {
  const { code, stdout } = await runChild(`
    ${OVERRIDE_THAT_THROWS}
    process.on('uncaughtException', (error, origin) => {
      console.log(origin, error.name, error.errors.map(({ message }) => message).join(', '));
      console.log('cause:', error.cause.message);
    });
    await loop.start();
  `);
  t.deepEqual(stdout.trim().split('\n'), [
    'the turn goes on',
    'uncaughtException AggregateError from the override, from the callback',
    'cause: from the override',
    'the loop goes on',
  ]);
  t.is(code, 0);
});

test('an override that throws ends a process that does not catch it, with both errors', async (t) => {
  const { code, stdout, stderr } = await runChild(`
    ${OVERRIDE_THAT_THROWS}
    await loop.start();
  `);
  t.is(code, 1);
  t.is(stdout, 'the turn goes on\n');
  t.regex(stderr, /from the override/);
  t.regex(stderr, /from the callback/);
});

test('an override that throws for a rejection becomes an uncaught exception, too', async (t) => {
  const { stdout } = await runChild(`
    import { IOLoop } from 'ioloop';
    class Strict extends IOLoop {
      handleCallbackException(callback, error) { throw error; }
    }
    const loop = new Strict();
    process.on('unhandledRejection', () => console.log('UNHANDLED'));
    process.on('uncaughtException', ({ errors }) => {
      console.log(errors.length, errors[0] === errors[1], errors[0].message);
      loop.stop();
    });
    await Promise.all([loop.start(), loop.addCallback(async () => { throw new Error('on purpose'); })]);
  `);
  t.is(stdout, '2 true on purpose\n');
});

test('an override that rejects becomes an uncaught exception that carries both errors', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop();
    loop.handleCallbackException = async () => { throw new Error('from the override'); };
    process.on('unhandledRejection', () => console.log('UNHANDLED'));
    process.on('uncaughtException', (error) => {
      console.log(error.name, error.errors.map(({ message }) => message).join(', '));
      loop.stop();
    });
    loop.addCallback(() => { throw new Error('from the callback'); });
    await loop.start();
  `);
  t.is(stdout, 'AggregateError from the override, from the callback\n', stderr);
});
