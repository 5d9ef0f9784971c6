/** The error codes of this package, without those of the operating system. */
import { inspect } from 'node:util';

/**
 * By code: the class of the error, and a function that makes its message from the arguments of the
 * factory. Each message names the value that was refused, and what to do.
 */
export const table = {
  ERR_INVALID_ARG_TYPE: { base: 'TypeError', message: argumentMessage },
  ERR_INVALID_ARG_VALUE: { base: 'TypeError', message: argumentMessage },
  ERR_OUT_OF_RANGE: { base: 'RangeError', message: argumentMessage },
  ERR_IOLOOP_ATTACHED: {
    base: 'IOLoopError',
    message: (token: unknown) =>
      `${show(token)} was attached already. A token can be attached once: call detach() again to move the connection on`,
  },
  ERR_IOLOOP_BAD_YIELD: {
    base: 'IOLoopError',
    message: (value: unknown) =>
      `The function of runSync() must return a promise, null or undefined, not ${show(value)}. ` +
      'Make it an async function',
  },
  ERR_IOLOOP_BINDING: {
    base: 'IOLoopError',
    message: (where: string, reason: string, remedy: string, systems: string) =>
      `The native binary of ioloop cannot be loaded (${where}). ${reason}. ${remedy}. ` +
      `There are binaries for ${systems}`,
  },
  ERR_IOLOOP_BUFFER_DETACHED: {
    base: 'IOLoopError',
    message: (call: string, lost: number) =>
      `The buffer of ${call}() was detached or resized before the call was done${lost > 0 ? `, and ${lost} received bytes in it are lost` : ''}. Leave the buffer alone until then`,
  },
  ERR_IOLOOP_BUFFER_FULL: {
    base: 'StreamBufferFullError',
    message: (side: 'read' | 'write' | 'send', maximum: number) =>
      FULL_BUFFERS[side].replace('%d', String(maximum)),
  },
  ERR_IOLOOP_CLOSED: {
    base: 'IOLoopError',
    message: () => 'The event loop is closed. Make another one with new IOLoop()',
  },
  ERR_IOLOOP_CURRENT_EXISTS: {
    base: 'IOLoopError',
    message: () =>
      'There is a current event loop already. Use IOLoop.current(), or leave makeCurrent: true out',
  },
  ERR_IOLOOP_DEADLINES_CLOSED: {
    base: 'IOLoopError',
    message: () =>
      'The set of deadlines is closed. Make another one with new DeadlineSet() or new DeadlineQueue()',
  },
  ERR_IOLOOP_DETACHED: {
    base: 'IOLoopError',
    message: (what: 'socket' | 'stream') =>
      `The ${what} was detached. Use the one that attach() has returned for its token`,
  },
  ERR_IOLOOP_FD_BUSY: {
    base: 'IOLoopError',
    message: (fd: number) =>
      `File descriptor ${fd} is read by Node: its stream is consumed, or has data already. ` +
      "Let one of the two read. Give a child a descriptor of your own (stdio: ['ignore', fd]), " +
      'or accept connections with pauseOnConnect',
  },
  ERR_IOLOOP_FD_REGISTERED: {
    base: 'IOLoopError',
    message: (fd: number, handler: unknown, site: string | null) =>
      `File descriptor ${fd} has a handler already, ${show(handler)}` +
      `${site === null ? '' : `, registered at ${site}`}. ` +
      'Change its events with updateHandler(), or call removeHandler() first',
  },
  ERR_IOLOOP_FD_UNKNOWN: {
    base: 'IOLoopError',
    message: (fd: number) =>
      `File descriptor ${fd} has no handler, or was closed meanwhile. Call addHandler() first`,
  },
  ERR_IOLOOP_FILE_SHRANK: {
    base: 'IOLoopError',
    message: (end: number, wanted: number) =>
      `The file of sendFile() has become shorter: it ends at byte ${end}, and was to be sent up to ${wanted}. ` +
      'Replace files by rename() instead of changing them',
  },
  ERR_IOLOOP_INBOX_FULL: {
    base: 'IOLoopError',
    message: () =>
      'The inbox of the event loop is full: its thread has not had a turn for the calls before. ' +
      'Await a call() from time to time, or call again later',
  },
  ERR_IOLOOP_NOT_CLONEABLE: {
    base: 'IOLoopError',
    message: (reason: string) =>
      `A value cannot be copied to another thread: ${reason}. Pass plain data, or transfer() what can be transferred`,
  },
  ERR_IOLOOP_NOT_EXPOSED: {
    base: 'IOLoopError',
    message: (name: string) =>
      `The event loop exposes no function ${show(name)}. Call expose() on it first, and pass its handle on afterwards`,
  },
  ERR_IOLOOP_OTHER_PROCESS: {
    base: 'IOLoopError',
    message: (thing: 'loop' | 'token', pid: number) =>
      thing === 'loop'
        ? `The event loop belongs to process ${pid}: a loop cannot be used by other processes. ` +
          'Make one in this process with new IOLoop(), and send it messages'
        : `The token is of process ${pid}: a descriptor cannot be attached in other processes. ` +
          "Attach it there, or accept connections in each process with serveWorkers() and runtime: 'child_process'",
  },
  ERR_IOLOOP_PROXY_HEADER: {
    base: 'IOLoopError',
    message: (why: string) =>
      `The connection has no valid header of the PROXY protocol: ${why}. ` +
      'Configure the balancer to send one, or remove the option proxyProtocol',
  },
  ERR_IOLOOP_READING: {
    base: 'IOLoopError',
    message: (waiting: string, wanted: string) =>
      `Already reading: a ${waiting}() waits. Await it, or cancel it by its signal, before ${wanted}()`,
  },
  ERR_IOLOOP_RUNNING: {
    base: 'IOLoopError',
    message: (what: 'start' | 'close') =>
      what === 'start'
        ? 'The event loop is running already. Call start() once, or wait for its promise first'
        : 'The event loop is running. Call stop() and wait for the promise of start() first',
  },
  ERR_IOLOOP_SENDER_ENDED: {
    base: 'IOLoopError',
    message: (token: unknown) =>
      `The thread that detached ${show(token)} has ended, and has closed it. Let a thread that detaches wait until its tokens are attached`,
  },
  ERR_IOLOOP_SERVER: { base: 'IOLoopError', message: (message: string) => message },
  ERR_IOLOOP_SOCKET_BUSY: {
    base: 'IOLoopError',
    message: (call: string, why: string) => `${call} ${why}`,
  },
  ERR_IOLOOP_STOPPED: {
    base: 'IOLoopError',
    message: () =>
      'Event loop stopped before the function of runSync() was done. Leave stop() to runSync()',
  },
  ERR_IOLOOP_STREAM_BUSY: {
    base: 'IOLoopError',
    message: (what: string, why: string) => `${what} needs an idle stream: ${why}`,
  },
  ERR_IOLOOP_STREAM_CLOSED: {
    base: 'StreamClosedError',
    message: (realError: Error | null) =>
      realError === null ? 'Stream is closed' : `Stream is closed: ${reasonOf(realError)}`,
  },
  ERR_IOLOOP_STREAM_ENDED: {
    base: 'StreamClosedError',
    message: () =>
      'End of stream: the peer has ended its side, and no more bytes will come. The stream can still be written',
  },
  ERR_IOLOOP_SUBCLASS: {
    base: 'IOLoopError',
    message: (value: unknown) =>
      `IOLoop.configure() takes IOLoop, a subclass of it, or null, not ${show(value)}`,
  },
  ERR_IOLOOP_TIMEOUT: { base: 'TimeoutError', message: (message: string) => message },
  ERR_IOLOOP_TLS_TRUNCATED: {
    base: 'IOLoopError',
    message: () =>
      'The TLS connection was cut: EOF without close_notify. What has arrived may not be everything',
  },
  ERR_IOLOOP_UNSATISFIABLE_READ: {
    base: 'UnsatisfiableReadError',
    message: (what: string, pattern: string, maxBytes: number) =>
      `${what} ${show(pattern)} not found within ${maxBytes} bytes`,
  },
  ERR_IOLOOP_UNSUPPORTED: {
    base: 'IOLoopError',
    message: (what: string, instead: string) => `${what} is not supported here. ${instead}`,
  },
  ERR_IOLOOP_WORKERS: { base: 'IOLoopError', message: (message: string) => message },
  ERR_IOLOOP_WORKERS_FAILED: {
    base: 'IOLoopError',
    message: (why: string) =>
      `The workers have failed: ${why}. The cause of this error, or the output of the worker, says why`,
  },
} as const satisfies Readonly<Record<string, Entry>>;

/** A code of this package. */
export type ErrorCode = keyof typeof table;

interface Entry {
  readonly base:
    | 'TypeError'
    | 'RangeError'
    | 'IOLoopError'
    | 'TimeoutError'
    | 'StreamClosedError'
    | 'UnsatisfiableReadError'
    | 'StreamBufferFullError';
  readonly message: (...args: never) => string;
}

/** By its side: a limit is reached, and what to do. */
const FULL_BUFFERS = {
  read: 'Reached the maximum read buffer size of %d bytes. Read in smaller parts, or raise maxBufferSize',
  write:
    'Reached the maximum write buffer size of %d bytes. Await write() or drain(), or raise maxWriteBufferSize',
  send: 'Reached the maximum of %d unsent bytes of a socket. Stop when sendLater() returns false, until a handler for WRITE is called; or use send()',
} as const;

const MAX_SHOWN = 80;

/** The message of an OpenSSL error is a line of its source code; `reason` has the cause. */
function reasonOf(error: Error): string {
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  return typeof reason === 'string' && typeof code === 'string'
    ? `${reason} (${code})`
    : error.message;
}

function argumentMessage(name: string, value: unknown, expected: string): string {
  return `"${name}" must be ${expected}. Received ${show(value)}`;
}

/** Any value, on one short line. */
function show(value: unknown): string {
  const options = { depth: 0, breakLength: Infinity, maxArrayLength: 4, maxStringLength: 64 };
  const text = inspect(value, options).replaceAll(/\s+/g, ' ');
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text;
}
