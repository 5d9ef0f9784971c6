/** Classes are called what they are exported as, in traces and in `util.inspect`. */
import { inspect } from 'node:util';
import test from 'ava';
import * as ioloop from 'ioloop';
import { withPair } from './helpers/streams.js';

test('every exported class has the name that it is exported by', (t) => {
  const classes = Object.entries(ioloop).filter(([name]) => /^[A-Z]/.test(name));
  t.true(classes.length > 10);
  for (const [name, value] of classes) t.is((value as { name: string }).name, name);
});

test('traces and inspect name the class', async (t) => {
  const loop = new ioloop.IOLoop({ makeCurrent: false });
  loop.close();
  const error = t.throws(() => loop.addHandler(0, () => {}, ioloop.IOLoop.READ));
  t.regex(error.stack ?? '', /at IOLoop\.addHandler/);
  await withPair((near) => {
    t.regex(inspect(near), /^IOStream\b/);
    using socket = ioloop.Socket.tcp();
    t.regex(inspect(socket), /^Socket\b/);
    return Promise.resolve();
  });
});
