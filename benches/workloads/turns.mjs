// The cost of an empty turn: with nothing, with a pending timer, with a registered source.
//
//   node turns.mjs nothing|timer|source
import { performance } from 'node:perf_hooks';
import { IOLoop, Socket } from 'ioloop';

const TURNS = 100_000;
const loop = new IOLoop();
const [mine] = Socket.pair();
if (process.argv[2] === 'timer') loop.callLater(3_600, () => {});
if (process.argv[2] === 'source') loop.addHandler(mine, () => {}, IOLoop.READ);

const rounds = [];
for (let round = 0; round < 5; round += 1) {
  let left = TURNS;
  const again = () => {
    left -= 1;
    if (left === 0) loop.stop();
    else loop.addCallback(again);
  };
  loop.addCallback(again);
  const start = performance.now();
  await loop.start();
  rounds.push(((performance.now() - start) * 1e6) / TURNS);
}
rounds.sort((a, b) => a - b);
console.log(JSON.stringify({ turn: rounds[2] }));
