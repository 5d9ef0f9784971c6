// The clients of `npm run test:workers`: many connections that are held, and others that come and go.
// Ordered about by its parent, over a channel of child_process.fork(). Each order has one answer.
import { IOLoop, IOStream, Socket } from 'ioloop';

/** Connections at a time that are being opened. */
const AT_ONCE = 64;
/** Connections from one address, which has 28,232 ports on Linux. */
const PER_ADDRESS = 8_000;
/** Seconds that an answer may take. */
const TIMEOUT = 60;
/** Clients that connect, ask and close, one connection after the other. */
const CHURN = 16;

const loop = IOLoop.current();
/** @type {Set<IOStream>} */
const held = new Set();
let opened = 0;
let waiting = Promise.resolve([]);
const churn = { isOn: false, answered: 0, dropped: 0, refused: 0, done: Promise.resolve([]) };

const ORDERS = {
  /** Opens connections until `count` are held. */
  async open({ count, port }) {
    const failures = [];
    const open = async () => {
      while (held.size + failures.length < count) {
        const stream = make();
        held.add(stream);
        try {
          await stream.connect({ host: '127.0.0.1', port });
          await ask(stream, 'first');
        } catch (error) {
          held.delete(stream);
          failures.push(error.code ?? error.message);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, open));
    return { held: held.size, failures: failures.slice(0, 3) };
  },

  /** Each held connection asks; those that are closed are held no more. */
  async echo() {
    const all = [...held];
    const results = await Promise.allSettled(all.map((stream, at) => ask(stream, `line ${at}`)));
    for (const [at, { status }] of results.entries()) {
      if (status === 'rejected') held.delete(all[at]);
    }
    return { answered: held.size, lost: all.length - held.size };
  },

  /** One line to one connection, whose end is awaited. */
  async say({ line, port }) {
    const stream = make();
    await stream.connect({ host: '127.0.0.1', port });
    await stream.write(`${line}\n`);
    await stream.readUntilClose().catch(() => {});
    return {};
  },

  /** `count` of the held connections ask for what is answered at the end. */
  async wait({ count }) {
    const some = [...held].slice(0, count);
    await Promise.all(some.map((stream) => stream.write('wait\n')));
    waiting = Promise.allSettled(
      some.map(async (stream) => {
        const answer = String(await stream.readUntil('\n', { timeout: TIMEOUT }));
        if (answer !== 'wait\n') throw new Error(`answered: ${answer}`);
      }),
    );
    return {};
  },

  async waited() {
    const results = await waiting;
    const answered = results.filter(({ status }) => status === 'fulfilled').length;
    return { answered, dropped: results.length - answered };
  },

  async startChurn({ port }) {
    Object.assign(churn, { isOn: true, answered: 0, dropped: 0, refused: 0 });
    churn.done = Promise.all(Array.from({ length: CHURN }, () => comeAndGo(port)));
    return {};
  },

  async stopChurn() {
    churn.isOn = false;
    await churn.done;
    const { answered, dropped, refused } = churn;
    return { answered, dropped, refused };
  },

  /** Closes what is held. */
  async close() {
    for (const stream of held) stream.close();
    held.clear();
    return {};
  },
};

function make() {
  const socket = Socket.tcp();
  // On Linux all of 127.0.0.0/8 is loopback.
  const host = `127.0.0.${2 + (Math.floor(opened / PER_ADDRESS) % 200)}`;
  if (process.platform === 'linux') socket.bind({ host, port: 0 });
  opened += 1;
  return new IOStream(socket);
}

/** @param {IOStream} stream @param {string} line */
async function ask(stream, line) {
  const [answer] = await Promise.all([
    stream.readUntil('\n', { timeout: TIMEOUT }),
    stream.write(`${line}\n`),
  ]);
  if (String(answer) !== `${line}\n`) throw new Error(`${line} was answered by ${answer}`);
}

/** A connection that is established and not answered is dropped; one that is refused is not. */
async function comeAndGo(port) {
  while (churn.isOn) {
    const stream = make();
    try {
      await stream.connect({ host: '127.0.0.1', port });
    } catch {
      churn.refused += 1;
      // The server has ended.
      await new Promise((resolve) => {
        loop.callLater(0.01, resolve);
      });
      continue;
    }
    try {
      await ask(stream, 'short');
      churn.answered += 1;
    } catch (error) {
      churn.dropped += 1;
      console.error('dropped:', error.message);
    }
    stream.close();
  }
}

process.on('message', async (/** @type {any} */ { order, ...rest }) => {
  process.send?.(await ORDERS[order](rest));
});
process.once('disconnect', () => process.exit());
await loop.start();
