// A child of `npm run test:watchdog`: blocks a watched loop, on the main thread or in a worker.
//
//   node blocked.mjs main|worker 'while (true)' seconds
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
import { IOLoop } from '../../dist/index.js';
import { culprits } from './culprits.mjs';

const [where = '', cause = '', seconds = ''] = process.argv.slice(2);

if (isMainThread && where === 'worker') {
  await once(new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) }), 'exit');
} else {
  const loop = new IOLoop();
  loop.setBlockingLogThreshold(Number(seconds));
  // The three run in one turn, in this order.
  const when = loop.time() + 0.3;
  loop.callAt(when, () => writeSync(2, `<block ${Date.now()}>\n`));
  loop.callAt(when, culprits[cause] ?? (() => {}));
  loop.callAt(when, () => {
    writeSync(2, '<over>\n');
    loop.stop();
  });
  await loop.start();
  loop.close();
}
