/** What the doctor finds of the binary: where it came from, and whether a loop on it works. */
import { loaded } from '../boundary/native.js';
import { versions } from '../boundary/versions.js';
import { IOLoop } from '../loop/ioloop.js';
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
  return [
    ok('binary', `${loaded.from} (core ${core}, mio ${mio}, napi ${napi})`),
    ...failed,
    ...(await ofLoop()),
  ];
}

async function ofLoop(): Promise<Finding[]> {
  let loop: IOLoop;
  try {
    loop = new IOLoop({ makeCurrent: false });
  } catch (error) {
    return [finding('error', 'loop', 'cannot be made', (error as Error).message)];
  }
  try {
    const found = [ofBackend(loop), ofDriver(loop)];
    const works = await echoes(loop);
    const advice = 'Report it with this output: https://github.com/ioloop/ioloop/issues';
    found.push(
      works
        ? ok('loop', 'runs a timeout, and a handler on a socket')
        : finding('error', 'loop', `has not reported a socket within ${PATIENCE} seconds`, advice),
    );
    return found;
  } catch (error) {
    return [finding('error', 'loop', 'does not run', (error as Error).message)];
  } finally {
    loop.close();
  }
}

function ofBackend({ backend }: IOLoop): Finding {
  if (backend !== 'poll') return ok('backend', backend);
  const advice = 'The system has neither epoll nor kqueue: a turn costs a look at each descriptor';
  return finding('note', 'backend', backend, advice);
}

function ofDriver({ driver, backend }: IOLoop): Finding {
  if (driver === 'libuv') return ok('driver', driver);
  const reason =
    process.env['IOLOOP_DRIVER'] === 'thread'
      ? 'IOLOOP_DRIVER=thread is set; without it libuv wakes the loop where it can'
      : backend === 'poll'
        ? 'libuv cannot watch a loop on the backend poll: a thread wakes it'
        : 'This runtime has no usable libuv: a thread wakes the loop, which costs time per wake-up';
  return finding('note', 'driver', driver, reason);
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
