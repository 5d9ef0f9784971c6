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

/**
 * Files that are not run where there are no descriptors: of functions of the binding that the package
 * does not call without them, of sockets with them, and of all kinds of them.
 */
export const testsOfDescriptors = ['address', 'boundary', 'drained', 'socket-connections'];

/**
 * Files whose tests all need something that the WebAssembly flavour does not have, by what that is. They
 * are not run over it.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const testsNeeding = {
  descriptors: [
    'busy-poll',
    'close',
    'closed-below',
    'closed-by-number',
    'closed-registered',
    'duplicated-fds',
    'failing-calls',
    'few-at-a-time',
    'fork-processes',
    'handlers',
    'handlers-hang-up',
    'handlers-in-batch',
    'handlers-interest',
    'handlers-unread',
    'idle',
    'integrity-reads',
    'integrity-writes',
    'iostream-fds',
    'many-loops',
    'messages',
    'owned-fds',
    'proxy-stop',
    'real-fds',
    'real-peers',
    'send-later',
    'send-later-ends',
    'socket-connections',
    'socket-drained',
    'sources',
    'sources-property',
    'stale-numbers',
    'stream-states',
    'streams-property',
    'unwatchable',
    'without-descriptors',
    'worker-ends',
    'worker-failures',
    'worker-groups',
    'worker-signals',
    'writer-states',
    'writes-in-flush',
    'writes-property',
  ],
  'several threads': [
    'detached-faults',
    'detached-in-turn',
    'detached-kinds',
    'detached-refusals',
    'detached-sockets',
    'detached-streams',
    'detached-threads',
    'hand-over',
    'moves',
    'remote',
    'remote-ends',
    'remote-transfer',
    'remote-values',
    'remote-without-memory',
    'remote-workers',
  ],
  'a watchdog': ['blocked-loop', 'blocked-loop-healthy', 'blocked-loop-watch'],
  'a native binary': ['binding-errors', 'copies'],
};

/** Of streams, servers and clients, whose sockets may be those of `node:net`. */
export const socketTests = [
  'async-context-servers',
  'borrowed-chunks',
  'borrowed-rest',
  'chunks',
  'client-hosts',
  'client-options',
  'duplex',
  'duplex-events',
  'duplex-flowing',
  'duplex-members',
  'end-of-stream',
  'failed-handshakes',
  'interop',
  'iostream-close',
  'iostream-connect',
  'iostream-half-close',
  'iostream-reads',
  'iostream-waits',
  'iostream-write-failures',
  'iostream-writes',
  'node-sockets',
  'protocol-calls',
  'protocol-changes',
  'protocol-chunks',
  'protocol-ends',
  'protocol-faults',
  'protocol-kinds',
  'protocol-limits',
  'protocol-property',
  'protocols',
  'proxy-header',
  'proxy-protocol',
  'serve-http',
  'server-iteration',
  'server-stop-tls',
  'start-tls',
  'start-tls-server',
  'stream-pairs',
  'streaming-kinds',
  'streaming-property',
  'tcp-client',
  'tcp-server',
  'tls',
  'tls-certificates',
];
