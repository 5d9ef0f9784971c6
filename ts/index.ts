/**
 * Tornado's IOLoop for Node.js, on a Rust core.
 *
 * @packageDocumentation
 */
export type { Address } from './sockets/address.js';
export type { Backend } from './boundary/capabilities.js';
export { versions, type Versions } from './boundary/versions.js';
export type { Callback } from './loop/callback-queue.js';
export type { Duration } from './support/duration.js';
export { DeadlineQueue } from './loop/deadlines/deadline-queue.js';
export { DeadlineSet } from './loop/deadlines/deadline-set.js';
export type { DeadlineOptions } from './loop/deadlines/deadlines.js';
export type { Driver } from './loop/driver.js';
export {
  IOLoopError,
  StreamBufferFullError,
  StreamClosedError,
  TimeoutError,
  UnsatisfiableReadError,
  type IOLoopErrorCode,
  type SystemError,
} from './support/errors.js';
export type { FdLike, FileLike, NodeStreamLike } from './sockets/fd.js';
export { Future } from './loop/future.js';
export { IOLoop, type IOLoopClass } from './loop/ioloop.js';
export type { IOLoopOptions, RunSyncOptions } from './loop/loop-options.js';
export type { LoopMetrics, LoopTimings } from './loop/metrics.js';
export type { CallKind, CallOrigin } from './loop/origins.js';
export type { HistogramSummary } from './support/histogram.js';
export { addAcceptHandler, type AcceptCallback, type AcceptOptions } from './net/acceptor.js';
export { bindSockets, bindUnixSocket, type BindOptions, type BindUnixOptions } from './net/bind.js';
export type { HostAddress } from './net/connect-attempts.js';
export type { ProxyProtocolOptions } from './net/proxy-options.js';
export type { TrustList } from './net/trusted-peers.js';
export { serveHttp, type HttpServer, type ServeHttpOptions } from './net/serve-http.js';
export {
  TCPClient,
  type ConnectOptions,
  type ConnectProtocolOptions,
  type Resolver,
  type TCPClientOptions,
} from './net/tcp-client.js';
export { forkProcesses, type ForkProcessesOptions } from './net/workers/fork-processes.js';
export type {
  Balance,
  ListenAddress,
  ListenPath,
  ListenPort,
  ServeWorkersOptions,
} from './net/workers/group-options.js';
export type { RestartOptions } from './net/workers/restart-policy.js';
export type { WorkerExit } from './net/workers/spawned.js';
export { taskId } from './net/workers/task.js';
export {
  serveWorkers,
  WorkerGroup,
  type TaskState,
  type WorkerGroupEvents,
  type WorkerInfo,
  type WorkerMetrics,
} from './net/workers/worker-group.js';
export type { WorkerFigures } from './net/workers/messages.js';
export { defineWorker, type WorkerMain, type WorkerTask } from './net/workers/worker-task.js';
export type { StopOptions, StreamHandler, TCPServerOptions } from './net/server-options.js';
export { TCPServer } from './net/tcp-server.js';
export {
  type ExposedFunctions,
  RemoteLoop,
  type RemoteHandle,
  type RemoteResult,
  type UnknownFunctions,
} from './loop/remote-loop.js';
export { transfer } from './loop/transfer.js';
export { PeriodicCallback, type PeriodicCallbackOptions } from './loop/periodic-callback.js';
export type { DetachedKind, DetachedToken } from './sockets/detached.js';
export { Socket, type RecvOptions } from './sockets/socket.js';
export type { SocketOption, SocketOptions } from './sockets/socket-options.js';
export type { Timeout } from './loop/timeouts.js';
export {
  IOStreamDuplex,
  type DuplexOptions,
  type DuplexReadyState,
} from './streams/adapters/duplex.js';
export type {
  DuplexConnectArguments,
  DuplexConnectOptions,
} from './streams/adapters/duplex-addresses.js';
export { IOStream, SSLIOStream } from './streams/iostream.js';
export type { FileSource, SendFileOptions } from './streams/send-file.js';
export { pump, type PumpCounts, type PumpOptions } from './streams/pump.js';
export { type CloseCallback } from './streams/ownership.js';
export type { ProxyHeader, ProxyTlv } from './streams/proxy-header.js';
export type {
  IOStreamOptions,
  ReadBytesOptions,
  ReadCountOptions,
  ReadOptions,
  ReadUntilCloseOptions,
  ReadUntilOptions,
  StartTlsOptions,
  StreamingCallback,
} from './streams/options.js';
export { Connection } from './streams/protocols/connection.js';
export {
  fixed,
  lengthPrefixed,
  lines,
  type DataHandler,
  type FrameHandler,
  type LengthPrefixedOptions,
  type LinesOptions,
} from './streams/protocols/framing.js';
export type { Protocol } from './streams/protocols/protocol.js';
export { SSLIOStreamDuplex } from './streams/adapters/tls-duplex.js';
export type { Data } from './streams/data.js';
export type { BlockedReport } from './loop/watchdog.js';
export type { WaitOptions } from './loop/wait.js';
export type { WebStreamPair } from './streams/adapters/web-streams.js';
