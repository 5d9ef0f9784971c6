// How much does a timer cost, in time and in memory, beside a million others?
import { interleave, runWorkload } from '../lib/run.mjs';
import { median, pairedRatio } from '../lib/statistics.mjs';

/** @param {{ repetitions: number }} options */
export async function timers({ repetitions }) {
  const samples = await interleave(['ioloop', 'node'], repetitions, (peer) =>
    runWorkload('timers.mjs', [peer]),
  );
  const column = (peer, name) => samples.get(peer).map((sample) => sample[name]);
  return [
    {
      name: 'timer: schedule + cancel, 10⁶ pending',
      unit: 'ns',
      ioloop: median(column('ioloop', 'pair')),
      peer: median(column('node', 'pair')),
      ratio: pairedRatio(column('node', 'pair'), column('ioloop', 'pair')),
      target: { atLeast: 5 },
    },
    {
      name: 'timer: cancel 10⁶, each',
      unit: 'ns',
      ioloop: median(column('ioloop', 'cancelAll')),
      peer: median(column('node', 'cancelAll')),
      ratio: pairedRatio(column('node', 'cancelAll'), column('ioloop', 'cancelAll')),
    },
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
