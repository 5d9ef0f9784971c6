/** `loop.metrics()`: the counters of the parts of a loop, in one object. */
import { performance } from 'node:perf_hooks';
import type { Handlers } from './handlers.js';
import type { CallbackQueue } from './callback-queue.js';
import type { LoopIO } from './io.js';
import type { PostCounts } from './posts.js';
import type { CoreCounts } from '../boundary/native-loop.js';
import type { SourceTable } from './sources.js';
import type { TimeoutTable } from './timeouts.js';
import type { HistogramSummary } from '../support/histogram.js';
import type { Timings } from './timings.js';

/**
 * The state of a loop, and what it has done since it was made. All but the states in the second
 * group only grow.
 */
export interface LoopMetrics {
  /** Turns. */
  readonly turns: number;
  /** Times that the driver, or a timer of Node, has woken the sleeping loop, or meant to. */
  readonly wakeups: number;
  /** Callbacks that have run, by batches: those of the turn that runs are counted at its start. */
  readonly callbacks: number;
  /** Reports of readiness to handlers, which were called unless their interest had changed. */
  readonly handlerCalls: number;
  /** Reports of readiness to streams. */
  readonly streamEvents: number;
  /** Timeouts that have run. */
  readonly timersFired: number;
  /** Timeouts that were removed before they ran. */
  readonly timersCancelled: number;
  /** Bytes that streams have received; over TLS, the encrypted ones. */
  readonly bytesReceived: number;
  /** Bytes of streams that the kernel has taken; over TLS, the encrypted ones. */
  readonly bytesSent: number;
  /** Connections that servers and `addAcceptHandler` have accepted. */
  readonly connectionsAccepted: number;
  /** Pauses of accepting, for lack of descriptors or memory or after another failure. */
  readonly acceptPauses: number;
  /** Times that the epoll set was replaced, because descriptors were closed while registered. */
  readonly rebuilds: number;
  /** Times that the loop has polled for events instead of sleeping; see the option `busyPoll`. */
  readonly busyPolls: number;
  /** Those of them in which an event has come. */
  readonly busyPollsAnswered: number;
  /** Calls of other threads that were accepted: `addCallback()`, `call()` and `stop()` of a remote. */
  readonly postsAccepted: number;
  /** Calls of other threads that turns have collected, and those that `close()` has run. */
  readonly postsRun: number;
  /** Calls of other threads that failed with `ERR_IOLOOP_INBOX_FULL`. */
  readonly postsRefused: number;
  /** Wake-ups by calls of other threads. At most one between two turns. */
  readonly postWakeups: number;
  /** Blocks that the watchdog has reported; see `setBlockingLogThreshold()`. Counted after the block. */
  readonly blocks: number;
  /**
   * Seconds in which Node's loop on this thread was active: `eventLoopUtilization()` of Node. With
   * `busyPoll`, the time of polling is active.
   */
  readonly activeSeconds: number;
  /** Seconds in which Node's loop on this thread was waiting. */
  readonly idleSeconds: number;

  /** Callbacks that are queued now. */
  readonly callbacksQueued: number;
  /** Handlers that are registered now. */
  readonly handlers: number;
  /** Open streams that the loop watches now. */
  readonly streams: number;
  /** Timeouts that are pending now, without those at `Infinity`. */
  readonly timersPending: number;

  /** What `enableHistograms()` measures; `null` without it. */
  readonly timings: LoopTimings | null;
}

/** What `enableHistograms()` measures, since it was called. Seconds. */
export interface LoopTimings {
  /** Time since `enableHistograms()`. */
  readonly elapsedSeconds: number;
  /** Time in turns, without the microtasks after them. */
  readonly busySeconds: number;
  /**
   * The lengths of turns. While turns are shorter than some 40 microseconds, a measured one counts for
   * up to 32: `count`, `sum`, `mean` and the percentiles are estimates then, without bias, and `max` is
   * the longest that was measured.
   */
  readonly turnLength: HistogramSummary;
  /**
   * How late timeouts were: of each turn that ran some, the first deadline against the clock of the
   * loop. In steps of a microsecond, up to 35 minutes.
   */
  readonly timerLateness: HistogramSummary;
}

/** The parts of a loop that count. */
export interface CountingParts {
  readonly turnCount: number;
  readonly wakeups: number;
  readonly coreCounts: CoreCounts;
  readonly postCounts: PostCounts;
  readonly callbacks: CallbackQueue;
  readonly timeouts: TimeoutTable;
  readonly sources: SourceTable;
  readonly handlers: Handlers;
  readonly io: LoopIO;
  readonly timings: Timings | null;
}

/** The metrics of a loop with these parts, after this many blocks. */
export function metricsOf(parts: CountingParts, blocks: number): LoopMetrics {
  const { callbacks, timeouts, sources, io, postCounts } = parts;
  io.sync();
  const { active, idle } = performance.eventLoopUtilization();
  return Object.freeze({
    turns: parts.turnCount,
    wakeups: parts.wakeups,
    callbacks: callbacks.ran,
    handlerCalls: sources.handlerReports,
    streamEvents: sources.streamReports + io.counters.reports,
    timersFired: timeouts.fired,
    timersCancelled: timeouts.cancelled,
    bytesReceived: io.counters.received,
    bytesSent: io.bytesSent,
    connectionsAccepted: io.counters.accepted,
    acceptPauses: io.counters.acceptPauses,
    ...parts.coreCounts,
    postsAccepted: postCounts.accepted,
    postsRun: postCounts.run,
    postsRefused: postCounts.refused,
    postWakeups: postCounts.wakes,
    blocks,
    activeSeconds: active / 1e3,
    idleSeconds: idle / 1e3,
    callbacksQueued: callbacks.size,
    handlers: parts.handlers.size,
    streams: io.streams,
    timersPending: timeouts.size,
    timings: parts.timings === null ? null : timingsOf(parts.timings),
  });
}

function timingsOf(timings: Timings): LoopTimings {
  const { elapsedSeconds, busySeconds, turnLength, timerLateness } = timings;
  return Object.freeze({ elapsedSeconds, busySeconds, turnLength, timerLateness });
}
