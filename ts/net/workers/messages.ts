/** The messages between the supervisor of a group and its workers. */
import type { DetachedToken } from '../../sockets/detached.js';
import type { LoopMetrics } from '../../loop/metrics.js';

/** The start of a worker of `serveWorkers()`. */
export interface Beginning {
  /** The URL of its module. */
  readonly module: string;
  readonly id: number;
  readonly workers: number;
  readonly data: unknown;
  /** Seconds. */
  readonly drain: number;
  /** Its listening sockets: numbers of the parent thread, or of this process. */
  readonly listeners: readonly number[];
  /** Whether the group listens. */
  readonly isListening: boolean;
  /** Whether connections are handed over, instead of accepted on `listeners`. */
  readonly isHandedOver: boolean;
}

/** From the supervisor to a worker. */
export type Order =
  | { readonly type: 'begin'; readonly beginning: Beginning }
  /** Stop accepting, finish within `seconds`, end. */
  | { readonly type: 'drain'; readonly seconds: number }
  | { readonly type: 'connections'; readonly tokens: readonly DetachedToken<'socket'>[] }
  | { readonly type: 'inspect'; readonly query: number };

/** From a worker to the supervisor. */
export type Report =
  /**
   * It accepts connections, or has begun what it is for. `capacity` is the number of connections that
   * can be handed over to it at a time; `null` if none can.
   */
  | { readonly type: 'ready'; readonly capacity: number | null }
  /** Connections that it was handed over, by the ids of their tokens, and the number of its open ones. */
  | {
      readonly type: 'connections';
      readonly open: number;
      readonly attached: readonly number[];
      readonly refused: readonly number[];
    }
  /** It cannot begin, and ends: the values of `remote-failure.ts`. */
  | { readonly type: 'failed'; readonly failure: readonly unknown[] }
  /** It accepts no more connections. */
  | { readonly type: 'stopped' }
  | { readonly type: 'inspected'; readonly query: number; readonly figures: WorkerFigures };

/** The figures of one worker. */
export interface WorkerFigures {
  /** Open connections of its servers. */
  readonly connections: number;
  /** `loop.metrics()` of its loop. */
  readonly metrics: LoopMetrics;
}
