/** `enterWith()` and first uses of a storage inside of a loop. */
import { AsyncLocalStorage } from 'node:async_hooks';
import test from 'ava';
import { runChild } from './helpers/child.js';
import { runTurns, withLoop } from './helpers/loop.js';

test('enterWith() takes effect for what is added after it', (t) =>
  withLoop(async (loop) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const look = (): number => seen.push(storage.getStore());
    storage.run('outer', () => {
      loop.addCallback(look);
      storage.enterWith('inner');
      loop.addCallback(look);
    });
    await runTurns(loop);
    t.deepEqual(seen, ['outer', 'inner']);
  }));

test('what a callback enters does not reach the next callback, timeout or turn', (t) =>
  withLoop(async (loop) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const look = (): number => seen.push(storage.getStore());
    storage.run('other', () => loop.addCallback(() => storage.enterWith('leak')));
    loop.addCallback(look);
    loop.spawnCallback(look);
    loop.callLater(-1, look);
    await runTurns(loop);
    loop.addCallback(look);
    loop.spawnCallback(look);
    await runTurns(loop);
    t.deepEqual(seen, [undefined, undefined, undefined, undefined, undefined]);
  }));

test('what a callback enters as the first use of all storages ends with its turn', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { IOLoop } from 'ioloop';
    const storage = new AsyncLocalStorage();
    const loop = new IOLoop();
    const look = (name) => console.log(name, storage.getStore());
    loop.addCallback(() => storage.enterWith('leak'));
    loop.addCallback(() => loop.stop());
    await loop.start();
    loop.addCallback(look, 'added');
    loop.spawnCallback(look, 'spawned');
    loop.spawnCallback(() => storage.enterWith('leak'));
    loop.spawnCallback(look, 'same turn');
    loop.spawnCallback(() => loop.spawnCallback(() => { look('next turn'); loop.stop(); }));
    await loop.start();
    loop.spawnCallback(() => { look('next start'); loop.stop(); });
    await loop.start();
  `);
  const names = ['added', 'spawned', 'same turn', 'next turn', 'next start'];
  t.is(stdout, names.map((name) => `${name} undefined\n`).join(''), stderr);
});

test('what a spawned callback enters after it has used a storage does not leak', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { IOLoop } from 'ioloop';
    const storage = new AsyncLocalStorage();
    const loop = new IOLoop();
    loop.spawnCallback(() => {
      storage.run('A', () => loop.addCallback(() => console.log('inside', storage.getStore())));
      storage.enterWith('leak');
    });
    loop.addCallback(() => loop.spawnCallback(() => {
      console.log('next turn', storage.getStore());
      loop.spawnCallback(() => { console.log('after it', storage.getStore()); loop.stop(); });
    }));
    await loop.start();
  `);
  t.is(stdout, 'inside A\nnext turn undefined\nafter it undefined\n', stderr);
});

test('a storage that is first used after callbacks were added works', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop();
    const seen = [];
    let storage;
    const look = (name) => seen.push(name + ' ' + storage.getStore());
    loop.addCallback(look, 'before');
    loop.callLater(-1, look, 'timeout before');
    storage = new AsyncLocalStorage();
    loop.addCallback(look, 'made');
    storage.run('A', () => {
      loop.addCallback(look, 'inside');
      loop.callLater(-1, look, 'timeout inside');
      loop.spawnCallback(look, 'spawned');
    });
    loop.addCallback(look, 'after');
    loop.addCallback(() => loop.stop());
    await loop.start();
    console.log(seen.join('\\n'));
  `);
  t.deepEqual(
    stdout.trim().split('\n'),
    [
      'before undefined',
      'made undefined',
      'inside A',
      'spawned undefined',
      'after undefined',
      'timeout before undefined',
      'timeout inside A',
    ],
    stderr,
  );
});

test('a storage that is first used while the loop runs works', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop();
    const storage = new AsyncLocalStorage();
    const seen = [];
    loop.addCallback(() => {
      storage.run('A', () => loop.addCallback(() => seen.push(storage.getStore())));
      loop.addCallback(() => seen.push(storage.getStore()));
      loop.callLater(0, () => {
        seen.push(storage.getStore());
        storage.run('B', () => loop.callLater(0.001, () => {
          seen.push(storage.getStore());
          loop.stop();
        }));
      });
    });
    await loop.start();
    console.log(JSON.stringify(seen));
  `);
  t.is(stdout, '["A",null,null,"B"]\n', stderr);
});
