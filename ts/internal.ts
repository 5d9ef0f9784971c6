/**
 * The names that the tests and benchmarks of this repository need beside the public ones, as
 * `#internal`. It shares its modules with the public bundle, so that there is one of each, and imports
 * the whole package: shared modules become few files, each of which takes time to import.
 */
export * from './index.js';
export { capacities, setCapacities, type Capacities } from './support/capacities.js';
export { decodeAddress, encodeAddress, type Family } from './sockets/address.js';
export * as errors from './support/errors.js';
export { table } from './support/error-table.js';
export { diagnosis, supportedSystems } from './boundary/binding-error.js';
export { backend, capabilities, type Backend, type Capabilities } from './boundary/capabilities.js';
export { isListedNode, NODE_VERSIONS } from './boundary/host.js';
export { observeRefusals } from './support/errors.js';
export { functionsOf } from './boundary/unsupported.js';
export { resetNow } from './sockets/node-ends.js';
export { OPTION_NAMES } from './sockets/socket-options.js';
export { socketProvider } from './sockets/providers.js';
export { adapted } from './boundary/adapted.js';
export type { Binding } from './boundary/binding.js';
export { loaded, native, type NativeHandle } from './boundary/native.js';
export { GLIBC_FLOOR, targets, wasmTarget } from './boundary/targets.js';
export { Completions } from './boundary/completions.js';
export { SendBatch } from './boundary/send-batch.js';
export { Submissions } from './boundary/submissions.js';
export * as readiness from './boundary/readiness.js';
export type { Descriptor } from './sockets/descriptor.js';
export { descriptorOf } from './sockets/socket.js';
export { portOf } from './net/bind.js';
export { leastConnections, roundRobin, type Candidate } from './net/workers/balancer.js';
export { restartPolicy, Restarts } from './net/workers/restart-policy.js';
export type { Order, Report } from './net/workers/messages.js';
export type { SpawnedEvents } from './net/workers/spawned.js';
export { Supervisor, type SupervisorEvents } from './net/workers/supervisor.js';
export { parseProxyHeader } from './net/proxy-parser.js';
export { TrustedPeers } from './net/trusted-peers.js';
export { crc32c } from './support/crc32c.js';
export { DurationHistogram } from './support/histogram.js';
export { TurnSample } from './loop/turn-sample.js';
export { TurnShare } from './loop/turn-share.js';
export { Fifo } from './support/fifo.js';
export { receiveBlocks } from './boundary/receive-blocks.js';
export { Reader } from './streams/reader.js';
export type { ReadBuffer } from './streams/read-buffer.js';
export type { Read } from './streams/reads.js';
export { FdWriter } from './streams/writer.js';
export { NativeLoop } from './boundary/native-loop.js';
export { Guard } from './loop/guard.js';
export { internalsOf, postsOf } from './loop/internals.js';
export { HANDLERS, SourceTable, STREAMS, type Source } from './loop/sources.js';
