/**
 * The order of bytes is that of the `recv` calls, whatever reads in between. TCP and a sender in
 * another process: a pair in one process never has more to read than one turn takes.
 */
import { spawn } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import { IOStream, TCPServer, type IOStreamOptions } from 'ioloop';
import { TINY, withCapacities } from './helpers/capacities.js';
import { serialWith } from './helpers/conditions.js';
import { tcpPair } from './helpers/fds.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { portOf } from './helpers/net.js';
import { serialOwnSockets } from './helpers/sockets-of.js';
import { closedBy, failureOf, turns, withTcpPair } from './helpers/streams.js';
import test from 'ava';

/** Each word is its own index; the sizes of the pieces are odd on purpose. */
const SENDER = `
import array, random, socket, sys
data = array.array('I', range(int(sys.argv[2]))).tobytes()
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
at = 0
while at < len(data):
    size = random.choice([3, 64, 1448, 8192, 65536, 300000])
    s.sendall(data[at:at + size]); at += size
s.sendall(b'\\n')
s.shutdown(socket.SHUT_WR)
s.recv(1)
`;

type Read = (stream: IOStream, size: number, loop: ReportingLoop) => Promise<Buffer>;

/** What `read` gets of `words` counted words from another process. */
async function received(read: Read, words: number, options: IOStreamOptions = {}): Promise<Buffer> {
  return onLoop(async (loop) => {
    let resolve!: (stream: IOStream) => void;
    const accepted = new Promise<IOStream>((settle) => {
      resolve = settle;
    });
    const server = new TCPServer({ loop, allowHalfOpen: true, ...options });
    server.listen(0, '127.0.0.1');
    const sender = spawn('python3', ['-c', SENDER, String(portOf(server)), String(words)], {
      stdio: 'inherit',
    });
    try {
      void (async () => {
        for await (const stream of server) resolve(stream);
      })();
      const stream = await accepted;
      return Buffer.from(await read(stream, 4 * words, loop));
    } finally {
      sender.kill();
      await server.stop();
    }
  });
}

function assertCounted(t: ExecutionContext, bytes: Buffer, words: number): void {
  t.true(bytes.length >= 4 * words);
  for (let word = 0; word < words; word += 1) {
    if (bytes.readUInt32LE(4 * word) === word) continue;
    t.fail(`word ${word} is ${bytes.readUInt32LE(4 * word)}`);
    return;
  }
}

const concat = async (size: number, next: () => Promise<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for (let length = 0; length < size; length += chunks.at(-1)?.length ?? 0) {
    chunks.push(Buffer.from(await next()));
  }
  return Buffer.concat(chunks);
};

/** Reads in a callback of the loop: after the turn has collected, before it dispatches. */
const inCallback =
  (read: Read): Read =>
  (stream, size, loop) =>
    new Promise((resolve, reject) => {
      loop.addCallback(() => {
        read(stream, size, loop).then(resolve, reject);
      });
    });

const KINDS: Record<string, Read> = {
  'readBytes, large': (stream, size) => stream.readBytes(size),
  readUntilClose: (stream) => stream.readUntilClose(),
  peek: (stream, size) => stream.peek(size),
  readUntil: (stream, size) =>
    stream
      .readUntil(Buffer.from([255, 254, 253]), { maxBytes: size + 1, closeOnLimit: false })
      .catch(() => stream.readBytes(size)),
  'partial and exact in callbacks': (stream, size, loop) => {
    let left = size;
    let count = 0;
    return concat(size, async () => {
      count += 1;
      // A partial read may end within a word, so that fewer bytes than a word are left.
      const isExact = count % 8 < 4;
      const bytes = await inCallback((from) =>
        isExact ? from.readBytes(Math.min(4, left)) : from.readBytes(15_000, { partial: true }),
      )(stream, 0, loop);
      left -= bytes.length;
      return bytes;
    });
  },
  'exact reads that grow': (stream, size, loop) => {
    let count = 0;
    let left = size;
    return concat(size, () => {
      count = Math.min(left, 1 + ((count * 7 + 13) % 40_000));
      left -= count;
      return inCallback((from) => from.readBytes(count))(stream, 0, loop);
    });
  },
  'a Duplex that is pulled in callbacks': (stream, size, loop) => {
    const duplex = stream.toDuplex();
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const pull = (): void => {
        for (let chunk; (chunk = duplex.read() as Buffer | null) !== null;) {
          chunks.push(Buffer.from(chunk));
          length += chunk.length;
        }
        if (length < size) loop.addCallback(pull);
        else resolve(Buffer.concat(chunks));
      };
      loop.addCallback(pull);
    });
  },
};

for (const [name, read] of Object.entries(KINDS)) {
  serialWith('python3')(`a fast sender: ${name}: every word in its place`, async (t) => {
    const words = 3 << 20;
    assertCounted(t, await received(read, words), words);
  });
  serialWith('python3')(`tiny capacities: ${name}: every word in its place`, async (t) => {
    const words = 1 << 15;
    const options = { readChunkSize: 16 };
    const bytes = await withCapacities(TINY, () => received(read, words, options));
    assertCounted(t, bytes, words);
  });
}

serialOwnSockets('what the turn of a close has received can still be read', (t) =>
  withTcpPair(async (near, far, loop) => {
    const reading = near.readBytes(10);
    await turns(near);
    await far.write('hello');
    // Before the turn: its crossing receives, its callback closes, and its dispatch comes last.
    await new Promise<void>((resolve) => {
      loop.addCallback(() => {
        near.close();
        resolve();
      });
    });
    t.is(await closedBy(reading), null);
    t.is((await near.readBytes(near.readBufferSize)).toString(), 'hello');
  }),
);

test.serial('a read given up in a callback, and another: nothing is overtaken', (t) =>
  withTcpPair(async (near, far, loop) => {
    const giveUp = new AbortController();
    const first = near.readUntil('\n', { signal: giveUp.signal });
    await turns(near);
    for (const piece of ['abc', 'def', 'ghi']) {
      await far.write(piece);
      await new Promise<void>((resolve) => {
        loop.addCallback(() => resolve());
      });
    }
    const second = new Promise<number>((resolve, reject) => {
      loop.addCallback(() => {
        giveUp.abort();
        near.readInto(target).then(resolve, reject);
      });
    });
    const target = Buffer.alloc(12);
    t.is((await failureOf(first)).name, 'AbortError');
    await turns(near);
    await far.write('jkl');
    t.is(await second, 12);
    t.is(target.toString(), 'abcdefghijkl');
  }),
);

test.serial('a socket that hands over its connection in pieces of one byte', async (t) => {
  const [client, server] = await tcpPair();
  await onLoop(async (loop) => {
    const stream = new IOStream(server, { loop, readChunkSize: 1, maxBufferSize: 8 });
    const far = new IOStream(client, { loop });
    const sent = Buffer.from('one\ntwo\nthree\nfour\n'.repeat(50));
    void far.write(sent);
    const lines: string[] = [];
    while (lines.length < 200) lines.push(String(await stream.readUntil('\n')));
    t.is(lines.join(''), sent.toString());
    far.close();
    stream.close();
  });
});
