/** What the doctor finds of the binary: where it came from, and whether a loop on it works. */
import { diagnosis } from '../boundary/binding-error.js';
import { capabilities } from '../boundary/capabilities.js';
import { thisHost } from '../boundary/host.js';
import { environment } from '../support/environment.js';
import { loaded } from '../boundary/native.js';
import { versions } from '../boundary/versions.js';
import { IOLoop } from '../loop/ioloop.js';
import { socketProvider } from '../sockets/providers.js';
import { Socket } from '../sockets/socket.js';
import { finding, ok, type Finding } from './finding.js';

/** The findings; throws the error of an import that fails. */
export async function ofBinary(): Promise<Finding[]> {
  const { core, mio, napi } = versions;
  const failed = loaded.failed.map(({ name, error, flaw, version }) => {
    const reason = version === null ? flaw : `is version ${version}`;
    const [line = ''] = (reason ?? String((error as Error | null)?.message)).split('\n');
    return finding('note', 'not loaded', name, line);
  });
  const parts = [`core ${core}`, ...(mio === null ? [] : [`mio ${mio}`]), `napi ${napi}`];
  return [
    ok('binary', `${loaded.from} (${parts.join(', ')})`),
    ofFlavour(),
    ...failed,
    ...(await ofLoop()),
  ];
}

/** Native or WebAssembly; of the latter, why not the former. */
function ofFlavour(): Finding {
  if (!capabilities.separateMemory) return ok('flavour', 'native');
  const value = capabilities.descriptors
    ? 'WebAssembly'
    : 'WebAssembly: timers, callbacks and sockets of node:net, without descriptors';
  if (environment('NAPI_RS_FORCE_WASI') !== undefined) {
    const advice =
      'NAPI_RS_FORCE_WASI is set; without it a native binary is loaded where there is one';
    return finding('note', 'flavour', value, advice);
  }
  if (loaded.failed.length === 0) {
    return finding('note', 'flavour', value, 'There is no native binary for this system');
  }
  const [reason, remedy] = diagnosis(thisHost(), loaded.failed);
  return finding('warning', 'flavour', value, `${reason}. ${remedy}`);
}

async function ofLoop(): Promise<Finding[]> {
  let loop: IOLoop;
  try {
    loop = new IOLoop({ makeCurrent: false });
  } catch (error) {
    return [finding('error', 'loop', 'cannot be made', (error as Error).message)];
  }
  try {
    const found = [ofBackend(loop), ofDriver(loop), ...ofSockets()];
    return [...found, socketProvider === 'own' ? await ofHandler(loop) : await ofTimeout(loop)];
  } catch (error) {
    return [finding('error', 'loop', 'does not run', (error as Error).message)];
  } finally {
    loop.close();
  }
}

async function ofHandler(loop: IOLoop): Promise<Finding> {
  if (await echoes(loop)) return ok('loop', 'runs a timeout, and a handler on a socket');
  return finding('error', 'loop', `has not reported a socket within ${PATIENCE} seconds`, REPORT);
}

async function ofTimeout(loop: IOLoop): Promise<Finding> {
  loop.callLater(0.001, () => {
    loop.stop();
  });
  await loop.start();
  return ok('loop', 'runs a timeout');
}

function ofBackend({ backend }: IOLoop): Finding {
  if (backend !== 'poll') return ok('backend', backend);
  const advice = 'The system has neither epoll nor kqueue: a turn costs a look at each descriptor';
  return finding('note', 'backend', backend, advice);
}

function ofDriver({ driver, backend }: IOLoop): Finding {
  if (driver !== 'thread') return ok('driver', driver);
  const reason =
    environment('IOLOOP_DRIVER') === 'thread'
      ? 'IOLOOP_DRIVER=thread is set; without it libuv wakes the loop where it can'
      : backend === 'poll'
        ? 'libuv cannot watch a loop on the backend poll: a thread wakes it'
        : 'This runtime has no usable libuv: a thread wakes the loop, which costs time per wake-up';
  return finding('note', 'driver', driver, reason);
}

/** Nothing, where sockets are those that the flavour has. */
function ofSockets(): Finding[] {
  if (!capabilities.descriptors || socketProvider === 'own') return [];
  const advice = 'IOLOOP_SOCKETS=node is set; without it sockets have descriptors and handlers';
  return [finding('note', 'sockets', 'of node:net', advice)];
}

/** Whether a byte reaches the other end of a socket, after a timeout has sent it. */
async function echoes(loop: IOLoop): Promise<boolean> {
  const [mine, peer] = Socket.pair();
  let received = false;
  try {
    loop.addHandler(
      mine,
      () => {
        received = mine.recv(1) !== null;
        loop.stop();
      },
      IOLoop.READ,
    );
    loop.callLater(0.001, () => peer.send('x'));
    loop.callLater(PATIENCE, () => {
      loop.stop();
    });
    await loop.start();
    return received;
  } finally {
    loop.removeHandler(mine);
    mine.close();
    peer.close();
  }
}

const PATIENCE = 10;
const REPORT = 'Report it with this output: https://github.com/ioloop/ioloop/issues';
