// The ordinary files of tests that run in a page. The others need Node for what they do around the
// package: files, child processes, workers with a source of their own.

/** Names of `__test__/<name>.test.ts`. */
export const browserTests = [
  // the loop
  'abort-signals',
  'callbacks',
  'clock-steps',
  'closed',
  'closures',
  'configure',
  'errors',
  'exception-overrides',
  'exceptions',
  'fairness',
  'future',
  'histogram',
  'option-getters',
  'run-sync',
  'run-sync-timeout',
  'start-stop',
  'stop',
  'turn-order',
  // timers and deadlines
  'deadlines',
  'deadlines-property',
  'periodic-callback',
  'periodic-calls',
  'periodic-start-stop',
  'timers',
  'timers-arguments',
  'timers-cancelled',
  'timers-order',
  'timers-reset',
  // streams
  'chunks',
  'end-of-stream',
  'iostream-close',
  'iostream-half-close',
  'iostream-property',
  'iostream-read-until',
  'iostream-reads',
  'iostream-waits',
  'iostream-write-failures',
  'iostream-writes',
  'read-give-back',
  'read-limits',
  'reader-states',
  'stream-pairs',
  // the boundary
  'capabilities',
  'flavours',
  'submissions',
];

/** What `--quick` runs of it. */
export const quickBrowserTests = [
  'callbacks',
  'future',
  'timers',
  'periodic-callback',
  'iostream-reads',
  'stream-pairs',
];
