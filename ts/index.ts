/**
 * Tornado's IOLoop for Node.js, on a Rust core.
 *
 * @packageDocumentation
 */
export type { Address } from './address.js';
export type { Callback } from './callback-queue.js';
export type { Duration } from './duration.js';
export type { Driver } from './driver.js';
export {
  IOLoopError,
  StreamBufferFullError,
  StreamClosedError,
  TimeoutError,
  UnsatisfiableReadError,
  type IOLoopErrorCode,
  type SystemError,
} from './errors.js';
export type { FdLike, FileLike } from './fd.js';
export { Future } from './future.js';
export { IOLoop, type IOLoopClass, type IOLoopOptions, type RunSyncOptions } from './ioloop.js';
export { addAcceptHandler, type AcceptCallback, type AcceptOptions } from './net/acceptor.js';
export { bindSockets, bindUnixSocket, type BindOptions, type BindUnixOptions } from './net/bind.js';
export { serveHttp, type HttpServer, type ServeHttpOptions } from './net/serve-http.js';
export {
  TCPClient,
  type ConnectOptions,
  type HostAddress,
  type Resolver,
  type TCPClientOptions,
} from './net/tcp-client.js';
export {
  TCPServer,
  type StopOptions,
  type StreamHandler,
  type TCPServerOptions,
} from './net/tcp-server.js';
export { PeriodicCallback, type PeriodicCallbackOptions } from './periodic-callback.js';
export { Socket, type RecvOptions } from './socket.js';
export type { SocketOption, SocketOptions } from './socket-options.js';
export type { Timeout } from './timeouts.js';
export { IOStreamDuplex, type DuplexOptions, type DuplexReadyState } from './streams/duplex.js';
export type { DuplexConnectArguments, DuplexConnectOptions } from './streams/duplex-addresses.js';
export { IOStream } from './streams/iostream.js';
export { type CloseCallback } from './streams/stream-core.js';
export type {
  IOStreamOptions,
  ReadBytesOptions,
  ReadOptions,
  ReadUntilOptions,
} from './streams/options.js';
export { SSLIOStreamDuplex } from './streams/tls-duplex.js';
export { SSLIOStream, type StartTlsOptions } from './streams/ssl-iostream.js';
export type { Data } from './streams/data.js';
export type { WaitOptions } from './streams/wait.js';
export type { WebStreamPair } from './streams/web-streams.js';
