/** The metrics of a loop as monitoring systems name them: one row for each. */
import type { LoopMetrics } from '../loop/metrics.js';

/** A number of {@link LoopMetrics}. */
export interface MetricRow {
  /** In words with underscores, without prefix, unit and `_total`. */
  readonly name: string;
  /** A counter only grows; a gauge is a state. */
  readonly kind: 'counter' | 'gauge';
  /** `null` for plain numbers. */
  readonly unit: 'bytes' | 'seconds' | null;
  readonly help: string;
  /** `undefined` if it is not measured. */
  readonly read: (metrics: LoopMetrics) => number | undefined;
}

/** All but the distributions. */
export const METRICS: readonly MetricRow[] = [
  counter('turns', 'Turns', (m) => m.turns),
  counter('wakeups', 'Wake-ups by the driver or a timer of Node', (m) => m.wakeups),
  counter('callbacks', 'Callbacks that have run', (m) => m.callbacks),
  counter('handler_calls', 'Reports of readiness to handlers', (m) => m.handlerCalls),
  counter('stream_events', 'Reports of readiness to streams', (m) => m.streamEvents),
  counter('timers_fired', 'Timeouts that have run', (m) => m.timersFired),
  counter('timers_cancelled', 'Timeouts removed before they ran', (m) => m.timersCancelled),
  counter('received', 'Bytes that streams have received', (m) => m.bytesReceived, 'bytes'),
  counter('sent', 'Bytes of streams that the kernel has taken', (m) => m.bytesSent, 'bytes'),
  counter('connections_accepted', 'Accepted connections', (m) => m.connectionsAccepted),
  counter('accept_pauses', 'Pauses of accepting', (m) => m.acceptPauses),
  counter('rebuilds', 'Replacements of the epoll set', (m) => m.rebuilds),
  counter('busy_polls', 'Polls in place of a sleep', (m) => m.busyPolls),
  counter('busy_polls_answered', 'Such polls that found an event', (m) => m.busyPollsAnswered),
  counter('posts_accepted', 'Accepted calls of other threads', (m) => m.postsAccepted),
  counter('posts_run', 'Calls of other threads that have run', (m) => m.postsRun),
  counter(
    'posts_refused',
    'Calls of other threads refused for lack of room',
    (m) => m.postsRefused,
  ),
  counter('post_wakeups', 'Wake-ups by calls of other threads', (m) => m.postWakeups),
  counter('blocks', 'Blocks that the watchdog has reported', (m) => m.blocks),
  counter('active', 'Time in which the thread was active', (m) => m.activeSeconds, 'seconds'),
  counter('idle', 'Time in which the thread was waiting', (m) => m.idleSeconds, 'seconds'),
  counter('busy', 'Time in turns', (m) => m.timings?.busySeconds, 'seconds'),
  gauge('callbacks_queued', 'Callbacks that are queued', (m) => m.callbacksQueued),
  gauge('handlers', 'Handlers that are registered', (m) => m.handlers),
  gauge('streams', 'Open streams', (m) => m.streams),
  gauge('timers_pending', 'Timeouts that are pending', (m) => m.timersPending),
];

/** A distribution of {@link LoopMetrics}. */
export const DISTRIBUTIONS = [
  { name: 'turn_length', help: 'Lengths of turns', field: 'turnLength' },
  { name: 'timer_lateness', help: 'How late timeouts were', field: 'timerLateness' },
] as const;

/** The bounds of the buckets of a distribution, in seconds. */
export const BOUNDS: readonly number[] = [
  1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
  2.5, 5, 10,
];

/** The quantiles of a distribution, by the fields of its summary. */
export const QUANTILES = [
  ['0.5', 'p50'],
  ['0.9', 'p90'],
  ['0.99', 'p99'],
  ['0.999', 'p999'],
] as const;

function counter(
  name: string,
  help: string,
  read: MetricRow['read'],
  unit: MetricRow['unit'] = null,
): MetricRow {
  return { name, kind: 'counter', unit, help, read };
}

function gauge(name: string, help: string, read: MetricRow['read']): MetricRow {
  return { name, kind: 'gauge', unit: null, help, read };
}
