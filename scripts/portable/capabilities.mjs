// What a runtime may lack, and the tests of the core that need it: `run.mjs` reports them as
// unsupported where the probe finds it missing. `docs/runtimes.md` has the same names.
//
// A probe asks for the behaviour and not for the name of the runtime, where that is possible.
import { spawnSync } from 'node:child_process';
import { createSecureContext } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import v8 from 'node:v8';
import { MessageChannel } from 'node:worker_threads';

/**
 * @typedef {object} Capability
 * @property {() => boolean} isThere
 * @property {Record<string, readonly string[] | 'all'>} neededBy Titles, by the file of the tests.
 */

/** By name. @type {Record<string, Capability>} */
export const capabilities = {
  'command line of Node': {
    isThere: () => {
      const source = "import 'node:fs'; console.log('ran')";
      const args = ['--input-type=module', '--eval', source, '--', 'argument'];
      return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout === 'ran\n';
    },
    neededBy: {
      drained: [
        'a terminal in canonical mode: lines that were typed ahead',
        'a pipe in packet mode: every packet whole',
        'inotify: the whole queue, in whole records',
        'a semaphore of eventfd: one for each read',
        'an eventfd is read in pieces that are smaller than its record',
        'sockets with messages are refused, and stay open',
      ],
      exceptions: [
        'by default an error is logged to stderr with its stack, and the process goes on',
        'no error of a callback is an unhandled rejection',
      ],
      metrics: ['pauses of accepting are counted'],
    },
  },
  'errors are shown by their stack': {
    // Bun shows the source first, in `console.error` and not in `inspect`.
    isThere: () => process.versions['bun'] === undefined,
    neededBy: {
      exceptions: [
        'by default an error is logged to stderr with its stack, and the process goes on',
      ],
    },
  },
  'servers of TLS over streams': {
    // Bun's `tls.Server` ignores the event 'connection', by which other streams are handed to it.
    isThere: () => process.versions['bun'] === undefined,
    neededBy: {
      metrics: ['over TLS the encrypted bytes are counted'],
      tls: 'all',
    },
  },
  'certificates are checked when a context is made': {
    isThere: () => {
      try {
        createSecureContext({ key: 'no key', cert: 'no certificate' });
        return false;
      } catch {
        return true;
      }
    },
    neededBy: { 'tcp-server': ['wrong options are refused when the server is made'] },
  },
  'numbers of node:fs may be closed by others': {
    // Deno has a table of the descriptors that it opened, and closes again a number that it gets
    // once more.
    isThere: () => !('Deno' in globalThis),
    neededBy: {
      close: [
        'close({ allFds: true }) closes objects by close() and numbers by close(2)',
        'close({ allFds: true }) is idempotent: a number is closed once',
      ],
    },
  },
  'node:net shows ports of IPv6': {
    isThere: () => !('Deno' in globalThis),
    neededBy: { 'socket-connections': ['IPv6 addresses come back as text'] },
  },
  'refused transfers are a DataCloneError': {
    isThere: () => {
      // Memory of WebAssembly is never transferred. Node 20 copies it.
      const { Memory } = /** @type {any} */ (globalThis).WebAssembly;
      const { buffer } = new Memory({ initial: 1 });
      try {
        structuredClone(null, { transfer: [buffer] });
        return true;
      } catch (error) {
        return /** @type {Error} */ (error).name === 'DataCloneError';
      }
    },
    neededBy: { 'socket-data': ['transferring one result of recv empties no other'] },
  },
  'maps with objects as keys can be compared': {
    // By `assert.deepStrictEqual()`. Bun finds another key of the same shape, and stops there.
    isThere: () => {
      const [one = null, other = null] = [0, 0].map(() =>
        new Map().set(new Set(), new Map()).set(new Set(), {}),
      );
      return isDeepStrictEqual(one, other);
    },
    neededBy: { 'remote-values': ['nested plain data arrives as structured clone has it'] },
  },
  'a refused message transfers nothing': {
    isThere: () => {
      const { port1 } = new MessageChannel();
      const buffer = new ArrayBuffer(1);
      try {
        port1.postMessage({ buffer, bad: () => {} }, [buffer]);
      } catch {
        // As it should.
      }
      port1.close();
      return buffer.byteLength === 1;
    },
    neededBy: { 'remote-transfer': ['what is refused is not transferred'] },
  },
  'workers of a source text that imports': {
    // Deno evaluates it as a script.
    isThere: () => !('Deno' in globalThis),
    neededBy: {
      'remote-transfer': [
        'a worker passes shared memory, a port and a buffer, in the order of its calls',
        'workers that end after they have passed shared memory lose nothing',
      ],
    },
  },
  'fetch() of Node': {
    // Of any program: it fails to connect under wine 8.
    isThere: () => {
      const source = `const server = require('node:http').createServer((_, answer) => answer.end());
        server.listen(0, '127.0.0.1', async () => {
          await fetch('http://127.0.0.1:' + server.address().port);
          process.exit(0);
        });`;
      return spawnSync(process.execPath, ['--eval', source]).status === 0;
    },
    neededBy: {
      callbacks: [
        'a storm of callbacks does not starve fetch and an http server of the same process',
        'a busy http server of the same process does not starve the loop',
      ],
      fairness: [
        "a callback that adds itself does not starve Node's timers, setImmediate, http and fetch",
        "a timeout in the past that adds itself does not starve Node's timers, setImmediate, http and fetch",
      ],
    },
  },
  'signals of a process to itself': {
    isThere: () => process.platform !== 'win32',
    neededBy: {
      stop: [
        'stop() from a signal handler',
        'a callback that a signal handler adds runs in a loop that sleeps',
      ],
    },
  },
  'Unix sockets': {
    isThere: () => process.platform !== 'win32',
    neededBy: { 'iostream-connect': ['over a Unix socket, and to one that is not there'] },
  },
  FIFOs: {
    isThere: () => process.platform !== 'win32',
    neededBy: {
      'handlers-hang-up': 'all',
      'handlers-unread': [
        'a source that is drained by other means is not reported again until new data',
        'a source that is read in part by other means is reported again',
      ],
      'closed-registered': 'all',
      close: [
        'close() leaves what is registered open',
        'close({ allFds: true }) closes objects by close() and numbers by close(2)',
        'close({ allFds: true }) is idempotent: a number is closed once',
        'close({ allFds: true }) goes through closeFd, which a subclass may override',
        'close({ allFds: true }) accepts a descriptor that is closed already',
      ],
    },
  },
  'garbage is collected exactly': {
    // The collector of Bun keeps what a stale word of the stack seems to refer to: one object, now
    // and then, and not each of many.
    isThere: () => process.versions['bun'] === undefined,
    neededBy: {
      remote: ['a stopped loop that others may call is garbage when nothing refers to it'],
    },
  },
  'objects of a class can be counted': {
    isThere: () => typeof v8.queryObjects === 'function',
    neededBy: {
      'writer-states': [
        'a stream that is only asked about its writes has no writer',
        'streams that have sent everything share writers',
      ],
    },
  },
};

/**
 * The first capability that a test needs and this runtime lacks; `null` if there is none.
 * @param {string} file @param {string} title
 */
export function missingFor(file, title) {
  for (const [name, { neededBy }] of Object.entries(capabilities)) {
    const titles = neededBy[file] ?? [];
    if ((titles === 'all' || titles.includes(title)) && isMissing(name)) return name;
  }
  return null;
}

/** @type {Map<string, boolean>} */
const found = new Map();

/** Each probe runs once. @param {string} name */
function isMissing(name) {
  if (!found.has(name)) found.set(name, !capabilities[name]?.isThere());
  return found.get(name) === true;
}
