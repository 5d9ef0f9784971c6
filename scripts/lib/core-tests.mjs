// The core of the suite: the files of tests whose subject does not depend on Node itself, for other
// runtimes, emulated machines and other systems. One list for all.

/** Names of `__test__/<name>.test.ts`. */
export const coreTests = [
  // the loop
  'callbacks',
  'start-stop',
  'stop',
  'close',
  'current',
  'turn-order',
  'exceptions',
  'future',
  'run-sync',
  'run-sync-timeout',
  'fairness',
  'metrics',
  'boundary',
  // timers
  'timers',
  'timers-order',
  'timers-cancelled',
  'timers-arguments',
  'periodic-callback',
  'periodic-calls',
  // handlers
  'handlers',
  'handlers-interest',
  'handlers-in-batch',
  'handlers-hang-up',
  'handlers-unread',
  'drained',
  'closed-registered',
  // sockets
  'socket',
  'socket-data',
  'socket-connections',
  'address',
  // streams
  'iostream-reads',
  'iostream-read-until',
  'iostream-writes',
  'iostream-connect',
  'iostream-close',
  'iostream-half-close',
  'reader-states',
  'writer-states',
  'read-order',
  // servers
  'tcp-server',
  'tcp-client',
  'server-iteration',
  'tls',
  'tls-client',
  // other threads
  'remote',
  'remote-values',
  'remote-transfer',
];

/** What `--quick` runs of it: one or two files of each part. */
export const quickTests = [
  'callbacks',
  'start-stop',
  'timers',
  'timers-order',
  'periodic-callback',
  'handlers',
  'drained',
  'socket-data',
  'iostream-reads',
  'iostream-writes',
  'tcp-server',
  'tls-client',
  'remote',
  'remote-values',
];

/**
 * Files whose tests start processes, of which `--quick` has none where a processor is emulated: Node
 * takes ten seconds to start there.
 */
export const testsOfProcesses = ['drained'];
