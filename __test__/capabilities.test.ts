/** What a binary cannot do is an error by code, and nothing else. */
import test from 'ava';
import { withLoop } from './helpers/loop.js';
import { capabilities, functionsOf, native } from '#internal';

/** The functions of capabilities that this binary has, or has not. */
function names(isThere: boolean): string[] {
  return (Object.keys(functionsOf) as (keyof typeof functionsOf)[])
    .filter((needed) => capabilities[needed] === isThere)
    .flatMap((needed) => [...functionsOf[needed]]);
}

test('a function is one of the binary, or throws and names the backend, as the capability says', (t) => {
  const functions = native as unknown as Record<string, () => unknown>;
  for (const name of names(true)) t.is(typeof functions[name], 'function', name);
  for (const name of names(false)) {
    const refused = { code: 'ERR_IOLOOP_UNSUPPORTED', message: /backend "\w+"/ };
    t.throws(functions[name] as () => unknown, refused);
  }
  const all = Object.values(functionsOf).flat();
  t.is(names(true).length + names(false).length, all.length);
});

test('a loop that has refused other threads goes on, and is closed as any other', (t) =>
  withLoop((loop) => {
    const refused = { code: 'ERR_IOLOOP_UNSUPPORTED' };
    for (const call of [() => loop.remote(), () => loop.expose('name', () => {})]) {
      if (capabilities.threads) t.notThrows(call);
      else t.throws(call, refused);
    }
    t.is(loop.metrics().postsAccepted, 0);
    loop.close();
    t.is(loop.metrics().postsAccepted, 0);
    t.deepEqual(loop.reports, []);
  }));
