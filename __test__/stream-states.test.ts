/** The table of `ts/streams/stream.ts`: any events, and the state that they lead to. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import * as fc from 'fast-check';
import test from 'ava';
import { IOStream, Socket, StreamClosedError, type Address, type IOLoop } from 'ioloop';
import { closeAll, pipe, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { failureOf, isSettled, turns } from './helpers/streams.js';
import { REFUSING_PORT } from './helpers/refusing.js';

/** The table. An event that is not in a row changes nothing. */
const TABLE = {
  unconnected: { connect: 'connecting', close: 'closed' },
  connecting: { stands: 'open', refused: 'closed', abort: 'closed', close: 'closed' },
  open: {
    eof: 'read ended',
    'eof, nothing to send': 'ended',
    fin: 'write ended',
    reset: 'closed',
    close: 'closed',
    move: 'moved out',
  },
  'read ended': { fin: 'ended', reset: 'closed', close: 'closed' },
  'write ended': {
    eof: 'ended',
    'eof, nothing to send': 'ended',
    reset: 'closed',
    close: 'closed',
  },
  ended: {},
  closed: {},
  'moved out': {},
} as const;

type State = keyof typeof TABLE;
const STATES = Object.keys(TABLE) as State[];
const CLOSED: ReadonlySet<State> = new Set(['ended', 'closed', 'moved out']);
const CONNECTED: ReadonlySet<State> = new Set(['open', 'read ended', 'write ended']);

type Step =
  | 'connect'
  | 'connect, refused'
  | 'connect, aborted'
  | 'turn'
  | 'fill'
  | 'take'
  | 'eof'
  | 'reset'
  | 'shutdown'
  | 'close'
  | 'move';
const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Step>('connect', 'turn', 'fill', 'take', 'eof') },
  { weight: 1, arbitrary: fc.constantFrom<Step>('shutdown', 'reset', 'close', 'move') },
  { weight: 1, arbitrary: fc.constantFrom<Step>('connect, refused', 'connect, aborted') },
);

/** A stream over TCP, and the state that the table says it is in. */
class Run {
  readonly stream: IOStream;
  readonly #server: Socket;
  readonly #refusing: Address;
  readonly #allowHalfOpen: boolean;
  readonly #visit: (state: State) => void;
  #state: State = 'unconnected';
  #connecting: Promise<unknown> | null = null;
  #isRefused = false;
  #isShutdown = false;
  #peer: Socket | null = null;

  constructor(loop: IOLoop, server: Socket, allowHalfOpen: boolean, visit: (s: State) => void) {
    this.stream = new IOStream(Socket.tcp(), { loop, allowHalfOpen });
    this.#server = server;
    this.#refusing = { host: '127.0.0.1', port: REFUSING_PORT };
    this.#allowHalfOpen = allowHalfOpen;
    this.#visit = visit;
  }

  async perform(step: Step): Promise<void> {
    if (step.startsWith('connect')) await this.#connect(step);
    else if (step === 'turn') await this.#turn();
    else if (step === 'fill') this.#fill();
    else if (step === 'take') await this.#take();
    else if (step === 'shutdown') await this.#shutdown();
    else if (step === 'close') await this.#close();
    else if (step === 'move') await this.#move();
    else await this.#onPeer(step);
    const seen = await this.#observe();
    assert.equal(seen, this.#state, `after ${step}`);
    this.#visit(seen);
  }

  close(): void {
    this.stream.close();
    if (this.#peer !== null) closeAll(this.#peer);
  }

  #apply(event: string): void {
    this.#state = (TABLE[this.#state] as Record<string, State>)[event] ?? this.#state;
  }

  async #connect(step: string): Promise<void> {
    const controller = new AbortController();
    const isRefused = step === 'connect, refused';
    const address = isRefused ? this.#refusing : this.#server.localAddress;
    const connecting = this.stream.connect(address, { signal: controller.signal });
    connecting.catch(() => {});
    if (this.#state !== 'unconnected') {
      const code = CLOSED.has(this.#state) ? 'ERR_IOLOOP_STREAM_CLOSED' : 'ERR_IOLOOP_STREAM_BUSY';
      assert.equal((await failureOf(connecting)).code, code);
      return;
    }
    this.#apply('connect');
    this.#isRefused = isRefused;
    this.#connecting = connecting;
    if (step !== 'connect, aborted') return;
    controller.abort();
    this.#apply('abort');
  }

  /** The loop turns until it has seen all that has happened. */
  async #turn(): Promise<void> {
    if (this.#state === 'connecting') {
      await this.#connecting?.catch(() => {});
      this.#apply(this.#isRefused ? 'refused' : 'stands');
      if (!this.#isRefused) this.#peer = this.#server.accept()?.[0] ?? null;
    }
    await turns(this.stream, 4);
    this.#noteSent();
  }

  /** Everything is sent: FIN goes out, if the direction is to end. */
  #noteSent(): void {
    const endsWithPeer = this.#state === 'read ended' && !this.#allowHalfOpen;
    const isEnding = this.#isShutdown || endsWithPeer;
    if (isEnding && CONNECTED.has(this.#state) && !this.stream.writing) this.#apply('fin');
  }

  /** More than the kernel has room for. */
  #fill(): void {
    if (this.#state === 'unconnected' || this.stream.writing) return;
    this.stream.write(Buffer.alloc(8_000_000)).catch(() => {});
  }

  /** The peer takes all that was written. */
  async #take(): Promise<void> {
    const peer = this.#peer;
    if (peer === null || !CONNECTED.has(this.#state)) return;
    await until(() => {
      while ((peer.recv(1_000_000)?.length ?? 0) > 0);
      return !this.stream.writing;
    }, 'everything is sent');
    await this.#turn();
  }

  async #shutdown(): Promise<void> {
    this.stream.shutdownWrite().catch(() => {});
    if (!CLOSED.has(this.#state)) this.#isShutdown = true;
    if (CONNECTED.has(this.#state)) await this.#turn();
  }

  async #close(): Promise<void> {
    const isMoved = this.#state === 'moved out';
    this.stream.close();
    this.#apply('close');
    // The handshake is given up, and with it the connection.
    if (isMoved) assert.ok(this.stream.socket?.closed);
    if (isMoved) this.#state = 'closed';
  }

  async #move(): Promise<void> {
    // When one direction has ended there is no handshake: the connection is closed soon.
    if (!(this.#state === 'open' || this.#state === 'connecting')) return;
    const moving = this.stream.startTls({ tls: { rejectUnauthorized: false } });
    moving.catch(() => {});
    if (this.#state === 'connecting' || this.stream.writing) {
      assert.equal((await failureOf(moving)).code, 'ERR_IOLOOP_STREAM_BUSY');
      if (this.#state === 'connecting') await this.#turn();
      return;
    }
    await until(() => this.stream.closed, 'the move');
    this.#apply('move');
  }

  async #onPeer(step: 'eof' | 'reset' | string): Promise<void> {
    const peer = this.#peer;
    if (peer === null || peer.closed || !CONNECTED.has(this.#state)) return;
    if (step === 'eof') {
      if (this.#state === 'read ended') return;
      peer.shutdown('write');
      await until(() => this.stream.ended, 'EOF');
      const endsWithPeer = !this.#allowHalfOpen && !this.stream.writing;
      this.#apply(endsWithPeer ? 'eof, nothing to send' : 'eof');
    } else {
      peer.setOption('linger', 0);
      peer.close();
      await until(() => this.stream.closed, 'the reset');
      this.#apply('reset');
      assert.notEqual(this.stream.error, null);
    }
  }

  /** The state, by what a program can see. */
  async #observe(): Promise<State> {
    const stream = this.stream;
    if (stream.closed) {
      if (stream.socket?.closed === false) return 'moved out';
      const error = await failureOf(stream.readBytes(1_000_000));
      assert.ok(error instanceof StreamClosedError);
      const isEof = error.message.includes('EOF');
      // Without allowHalfOpen, reads find EOF whatever has closed the stream after it.
      if (isEof && !this.#allowHalfOpen && this.#state === 'closed') return 'closed';
      return isEof ? 'ended' : 'closed';
    }
    if (this.#connecting === null) return 'unconnected';
    if (!(await isSettled(this.#connecting))) return 'connecting';
    if (stream.ended) return 'read ended';
    if (stream.writing || !this.#peerSeesEnd()) return 'open';
    assert.equal((await failureOf(stream.write(''))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    return 'write ended';
  }

  #peerSeesEnd(): boolean {
    for (;;) {
      const bytes = this.#peer?.recv(1_000_000) ?? null;
      if (bytes === null || bytes.length === 0) return bytes !== null;
    }
  }
}

test('any events leave a stream in the states of its table, and reach all of them', (t) =>
  onLoop(async (loop) => {
    const visited = new Set<State>();
    using server = Socket.tcp();
    server.bind({ host: '127.0.0.1', port: 0 });
    server.listen();
    const steps = fc.array(anyStep, { maxLength: 12, size: 'max' });
    // Most runs have a connection.
    const begin = fc.constantFrom<Step[]>([], ['connect', 'turn'], ['connect', 'turn', 'fill']);
    await fc.assert(
      fc.asyncProperty(begin, steps, fc.boolean(), async (first, rest, allowHalfOpen) => {
        const run = new Run(loop, server, allowHalfOpen, (state) => visited.add(state));
        try {
          for (const step of [...first, ...rest]) await run.perform(step);
        } finally {
          run.close();
          // A connection that was never accepted is not the next run's.
          await turns(run.stream, 2);
          for (let left = server.accept(); left !== null; left = server.accept()) left[0].close();
        }
      }),
      { numRuns: 150, includeErrorInReport: true },
    );
    t.deepEqual([...visited].toSorted(), STATES.toSorted());
  }));

test('the writing side of a pipe ends: it has no other direction, and is closed', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    const stream = IOStream.fromFd(writer, { loop, allowHalfOpen: true });
    await stream.shutdownWrite();
    t.true(stream.closed);
    t.false(stream.ended);
    closeSync(reader);
  }));
