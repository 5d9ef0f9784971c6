/** Readable descriptors of every kind, and their senders. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Socket } from 'ioloop';
import { closeAll, pipe, readSome, tcpPair, until } from './fds.js';

/** A descriptor to read from, and its peer. */
export interface Wire {
  readonly source: Socket | number;
  /** At most `size` bytes; `null` when there are none. */
  read(size: number): Buffer | null;
  /**
   * Sends as many dots; how many the kernel took. With a mark a read stops after them: an urgent
   * `!` over TCP, a descriptor on Unix sockets.
   */
  send(count: number, marked: boolean): Promise<number>;
  close(): Promise<void> | void;
}

/** Two sockets of this process. Nothing is ever marked. */
export function socketWire([near, far]: readonly [Socket, Socket]): Wire {
  return {
    source: near,
    read: (size) => near.recv(size),
    send: (count) => Promise.resolve(far.send(Buffer.alloc(count, '.')) ?? 0),
    close: () => closeAll(near, far),
  };
}

export async function tcpWire(): Promise<Wire> {
  return socketWire(await tcpPair());
}

/** A pipe, read by its number: the loop does not see these reads. */
export function pipeWire(): Wire {
  const [reader, writer] = pipe();
  return {
    source: reader,
    read: (size) => readSome(reader, size),
    send: (count) => {
      try {
        return Promise.resolve(writeSync(writer, Buffer.alloc(count, '.')));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        return Promise.resolve(0);
      }
    },
    close: () => closeAll(reader, writer),
  };
}

/** A Python process with sockets, which sends what Node cannot. */
export class MarkingPeer {
  readonly #process = spawn('python3', ['-c', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
  readonly #folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  readonly #replies = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  readonly #listeners = { tcp: Socket.tcp(), unix: Socket.unix() };
  readonly #path = join(this.#folder, 'socket');

  constructor() {
    this.#listeners.tcp.bind({ host: '127.0.0.1', port: 0 });
    this.#listeners.unix.bind({ path: this.#path });
    this.#listeners.tcp.listen();
    this.#listeners.unix.listen();
  }

  async open(over: 'tcp' | 'unix'): Promise<Wire> {
    const listener = this.#listeners[over];
    const address = over === 'unix' ? this.#path : (listener.localAddress as { port: number }).port;
    const name = await this.#ask(`${over} ${address}`);
    let accepted = listener.accept();
    await until(() => (accepted ??= listener.accept()) !== null, 'a connection');
    const [near] = accepted as [Socket, unknown];
    return {
      source: near,
      read: (size) => near.recv(size),
      send: (count, marked) => this.#ask(`${marked ? 'mark' : 'send'} ${name} ${count}`),
      close: async () => {
        near.close();
        await this.#ask(`close ${name}`);
      },
    };
  }

  async dispose(): Promise<void> {
    closeAll(this.#listeners.tcp, this.#listeners.unix);
    const exited = once(this.#process, 'exit');
    this.#process.stdin.end();
    await exited;
    rmSync(this.#folder, { recursive: true });
  }

  /** One command; its answer is a number, which comes when it is done. */
  async #ask(command: string): Promise<number> {
    this.#process.stdin.write(`${command}\n`);
    const { value, done } = await this.#replies.next();
    if (done === true) throw new Error('the Python peer has ended');
    return Number(value);
  }
}

const PROGRAM = `
import array, socket, sys
made = []
zero = array.array('i', [0])
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, zero)]

def connect(family, address):
    made.append(socket.socket(family))
    made[-1].connect(address)
    if family == socket.AF_INET: made[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made[-1].setblocking(False)
    return len(made) - 1

def send(peer, count, marked):
    is_unix = peer.family == socket.AF_UNIX
    try:
        if marked and is_unix: return peer.sendmsg([b'.' * count], rights)
        sent = peer.send(b'.' * count)
    except BlockingIOError:
        return 0
    try:
        if marked: peer.send(b'!', socket.MSG_OOB)
    except BlockingIOError:
        pass
    return sent

for line in sys.stdin:
    what, where, *more = line.split()
    if what == 'tcp': answer = connect(socket.AF_INET, ('127.0.0.1', int(where)))
    elif what == 'unix': answer = connect(socket.AF_UNIX, where)
    elif what == 'close':
        made[int(where)].close()
        answer = 0
    else: answer = send(made[int(where)], int(more[0]), what == 'mark')
    print(answer, flush=True)
`;
