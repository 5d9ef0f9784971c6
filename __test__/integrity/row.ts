/** Rows of the tables of reads and of writes. */
import { IOLoop } from 'ioloop';
import { TINY, USUAL, withCapacities } from '../helpers/capacities.js';

export type Capacity = 'default' | 'tiny';

/** The result of a row. What is wrong or lost are bytes or messages. */
export interface Outcome {
  messages: number;
  bytes: number;
  seconds: number;
  wrong: number;
  lost: number;
  /** The first thing that was not as it should be. */
  note: string;
}

/** Runs `body`, which adds to the outcome, in a loop of its own. A report of the loop is wrong. */
export async function runRow(
  capacity: Capacity,
  body: (loop: IOLoop, total: Outcome) => Promise<void>,
): Promise<Outcome> {
  const total: Outcome = { messages: 0, bytes: 0, seconds: 0, wrong: 0, lost: 0, note: '' };
  const begin = performance.now();
  await withCapacities(capacity === 'tiny' ? TINY : USUAL, async () => {
    const loop = new IOLoop({ makeCurrent: false });
    loop.handleCallbackException = (_, error) => {
      total.note ||= `reported: ${String(error)}`;
      total.wrong += 1;
    };
    try {
      await loop.runSync(() => body(loop, total));
    } finally {
      loop.close();
    }
  });
  total.seconds = (performance.now() - begin) / 1e3;
  return total;
}
