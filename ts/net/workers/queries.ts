/** Questions to workers that wait for their answers. */
import { Deferred } from '../../support/deferred.js';
import { clearTimeout, setTimeout } from '../../support/host.js';
import type { Report, WorkerFigures } from './messages.js';
import type { WorkerRun } from './worker-run.js';

interface Query {
  readonly run: WorkerRun;
  readonly reply: Deferred<WorkerFigures | null>;
  readonly timer: NodeJS.Timeout;
}

/** The questions of one group for the figures of its workers. */
export class Queries {
  readonly #queries = new Map<number, Query>();
  #last = 0;

  /** Resolves to the figures of a worker; to `null` after `seconds`, or when it has ended. */
  inspect(run: WorkerRun, seconds: number): Promise<WorkerFigures | null> {
    const reply = new Deferred<WorkerFigures | null>();
    const query = (this.#last += 1);
    const timer = setTimeout(() => {
      this.#settle(query, null);
    }, 1000 * seconds);
    this.#queries.set(query, { run, reply, timer });
    run.send({ type: 'inspect', query });
    return reply.promise;
  }

  /** An answer. It may be late. */
  onReport(report: Extract<Report, { type: 'inspected' }>): void {
    this.#settle(report.query, report.figures);
  }

  /** The worker has ended: it answers nothing more. */
  end(run: WorkerRun): void {
    for (const [id, query] of this.#queries) if (query.run === run) this.#settle(id, null);
  }

  #settle(id: number, figures: WorkerFigures | null): void {
    const query = this.#queries.get(id);
    if (query === undefined) return;
    this.#queries.delete(id);
    clearTimeout(query.timer);
    query.reply.resolve(figures);
  }
}
