// How much does a timer cost, in time and in memory, beside a million others?
import { interleave, runWorkload } from '../lib/run.mjs';
import { median, pairedRatio } from '../lib/statistics.mjs';

/** @param {{ repetitions: number }} options */
export async function timers({ repetitions }) {
  const samples = await interleave(['ioloop', 'node'], repetitions, (peer) =>
    runWorkload('timers.mjs', [peer]),
  );
  const column = (peer, name) => samples.get(peer).map((sample) => sample[name]);
  const time = (name, key, atLeast) => ({
    name,
    unit: 'ns',
    ioloop: median(column('ioloop', key)),
    peer: median(column('node', key)),
    ratio: pairedRatio(column('node', key), column('ioloop', key)),
    target: { atLeast },
  });
  return [
    time('timer: schedule 10⁶, then cancel all, each', 'all', 5),
    time('timer: schedule + cancel at once beside 10⁶', 'atOnce', 5),
    {
      name: 'timer: resident memory, each of 10⁶',
      unit: 'B',
      ioloop: median(column('ioloop', 'bytes')),
      peer: median(column('node', 'bytes')),
      ratio: pairedRatio(column('node', 'bytes'), column('ioloop', 'bytes')),
      target: { ioloopAtMost: 100 },
    },
  ];
}
