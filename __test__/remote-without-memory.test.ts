/** Calls between threads where the host allows no memory from outside, as Electron does. */
import test from 'ava';
import { IOLoop } from 'ioloop';
import { loadBinary } from './helpers/binary.js';
import { withLoop } from './helpers/loop.js';

(loadBinary() as { laneMemory: () => null }).laneMemory = () => null;

test('more calls than may wait, of which the loop takes some now and then', async (t) => {
  await withLoop(async (loop) => {
    let count = 0;
    loop.expose({ add: (value: number) => (count += value), count: () => count });
    const remote = IOLoop.fromRemote(loop.remote());
    const finished = loop.start();
    for (let round = 1; round <= 3; round += 1) {
      for (let left = 40_000; left > 0; left -= 1) remote.addCallback('add', 1);
      t.is(await remote.call('count'), round * 40_000);
    }
    remote.stop();
    await finished;
  });
});

test('a call is refused while as many wait as may, and after the loop was closed', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('hit', () => {});
    const remote = IOLoop.fromRemote(loop.remote());
    for (let left = 65_536; left > 0; left -= 1) remote.addCallback('hit');
    t.throws(() => remote.addCallback('hit'), { code: 'ERR_IOLOOP_INBOX_FULL' });
    loop.addCallback(() => {
      loop.stop();
    });
    await loop.start();
    remote.addCallback('hit');
    loop.close();
    t.throws(() => remote.addCallback('hit'), { code: 'ERR_IOLOOP_CLOSED' });
  });
});
