// How much does a callback cost against setImmediate, and an empty turn?
import { interleave, runWorkload } from '../lib/run.mjs';
import { median, pairedRatio } from '../lib/statistics.mjs';

/** @param {{ repetitions: number }} options */
export async function callbacks({ repetitions }) {
  const samples = await interleave(['ioloop', 'node'], repetitions, (peer) =>
    runWorkload('callbacks.mjs', [peer]),
  );
  const column = (peer, name) => samples.get(peer).map((sample) => sample[name]);
  const row = (name, key, target) => ({
    name,
    unit: 'ns',
    ioloop: median(column('ioloop', key)),
    peer: median(column('node', key)),
    ratio: pairedRatio(column('node', key), column('ioloop', key)),
    ...(target && { target }),
  });
  return [
    row('addCallback, batch of 2·10⁵, each', 'batch', { atLeast: 3 }),
    row('addCallback, chain (a turn each)', 'chain'),
  ];
}

/** @param {{ repetitions: number }} options */
export async function turns({ repetitions }) {
  const kinds = ['nothing', 'timer', 'source'];
  const samples = await interleave(kinds, repetitions, (kind) => runWorkload('turns.mjs', [kind]));
  return kinds.map((kind) => ({
    name: `turn with ${kind === 'nothing' ? kind : `a ${kind}`} pending`,
    unit: 'ns',
    ioloop: median(samples.get(kind).map(({ turn }) => turn)),
  }));
}
