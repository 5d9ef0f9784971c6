/** The kinds of reads, each as a program that takes all messages of a connection with it. */
import type { Duplex } from 'node:stream';
import { IOLoop, UnsatisfiableReadError, type IOStream, type Socket } from 'ioloop';
import type { Verifier } from './pattern.js';

/** Takes messages until the last one; what it throws ends the row. */
export type Take = (stream: IOStream, verifier: Verifier) => Promise<void>;

/** The same by a handler of a bare socket. */
export type TakeSocket = (loop: IOLoop, socket: Socket, verifier: Verifier) => Promise<void>;

export interface Kind {
  readonly take: Take | null;
  readonly takeSocket?: TakeSocket;
  /** Bytes of a message. */
  readonly min: number;
  readonly max: number;
  /** What one connection may carry, in bytes: a read until the end is one of all of it. */
  readonly most?: number;
}

const SMALL = { min: 1, max: 160 };
const MEDIUM = { min: 1, max: 3000 };
const LARGE = { min: 64 * 1024, max: 2 * 1024 * 1024 };
const PARTIAL = { partial: true };

/** By name, as the table has them. */
export const kinds: Readonly<Record<string, Kind>> = {
  'exact, small': { ...SMALL, take: exact },
  'exact, large': { ...LARGE, take: exact },
  until: {
    ...SMALL,
    take: (stream, verifier) => each(verifier, () => stream.readUntil('\n')),
  },
  'until, large': {
    ...LARGE,
    take: (stream, verifier) => each(verifier, () => stream.readUntil('\n')),
  },
  regex: {
    ...SMALL,
    take: (stream, verifier) =>
      each(verifier, () => stream.readUntilRegex(/\n/, { maxBytes: SMALL.max })),
  },
  close: {
    ...SMALL,
    most: 48 * 1024 * 1024,
    take: async (stream, verifier) => verifier.take(await stream.readUntilClose()),
  },
  into: { ...MEDIUM, take: into },
  'into, large': { ...LARGE, take: into },
  'into, partial': {
    ...MEDIUM,
    take: async (stream, verifier) => {
      const memory = Buffer.alloc(100_000);
      while (!verifier.done) {
        const size = 1 + ((verifier.messages * 7919) % memory.length);
        const count = await stream.readInto(memory.subarray(0, size), PARTIAL);
        verifier.take(memory.subarray(0, count));
      }
    },
  },
  partial: {
    ...MEDIUM,
    take: async (stream, verifier) => {
      while (!verifier.done) {
        const size = 1 + ((verifier.messages * 7919) % 100_000);
        verifier.take(await stream.readBytes(size, PARTIAL));
      }
    },
  },
  'peek, read': { ...SMALL, take: peekAndRead },
  'peek, large': { ...LARGE, take: peekAndRead },
  mixed: { ...MEDIUM, take: mixed },
  iteration: {
    ...MEDIUM,
    take: async (stream, verifier) => {
      for await (const chunk of stream) verifier.take(chunk);
    },
  },
  'toDuplex(), data': {
    ...MEDIUM,
    take: (stream, verifier) =>
      ended(stream.toDuplex().on('data', (chunk: Buffer) => verifier.take(chunk))),
  },
  'toDuplex(), read()': { ...MEDIUM, take: duplexRead },
  'toDuplex(), read() by the loop': { ...MEDIUM, take: duplexReadByLoop },
  'toWeb()': {
    ...MEDIUM,
    take: async (stream, verifier) => {
      const { readable, writable } = stream.toWeb();
      for await (const chunk of readable) verifier.take(chunk);
      await writable.close();
    },
  },
  'Socket.recv': { ...MEDIUM, take: null, takeSocket: receive },
};

/** The kinds that are read over TLS too, where a stream receives what `node:tls` has decrypted. */
export const TLS_KINDS: ReadonlySet<string> = new Set([
  'exact, small',
  'exact, large',
  'until',
  'close',
  'into, partial',
  'mixed',
  'iteration',
  'toDuplex(), data',
]);

/** Reads of one message after the other. */
async function each(verifier: Verifier, read: () => Promise<Uint8Array>): Promise<void> {
  while (!verifier.done) verifier.message(await read());
}

function exact(stream: IOStream, verifier: Verifier): Promise<void> {
  return each(verifier, () => stream.readBytes(verifier.next));
}

/** Memory is used again at once: a late write into it would be seen. */
async function into(stream: IOStream, verifier: Verifier): Promise<void> {
  const memory = [Buffer.alloc(LARGE.max), Buffer.alloc(LARGE.max)];
  await each(verifier, async () => {
    const target = (memory[verifier.messages % 2] as Buffer).subarray(0, verifier.next);
    return target.subarray(0, await stream.readInto(target));
  });
}

/** What was peeked at is what is read. */
async function peekAndRead(stream: IOStream, verifier: Verifier): Promise<void> {
  await each(verifier, async () => {
    const size = verifier.next;
    const peeked = await stream.peek(Math.max(1, Math.floor(size / 2)));
    const bytes = await stream.readBytes(size);
    const same = Math.min(peeked.length, size);
    if (peeked.compare(bytes, 0, same, 0, same) !== 0) verifier.fail();
    return bytes;
  });
}

/** Every kind after every other, and reads that are given up in between. */
async function mixed(stream: IOStream, verifier: Verifier): Promise<void> {
  const memory = Buffer.alloc(40_000);
  for (let round = 0; !verifier.done; round += 1) {
    const size = verifier.next;
    const kind = (round * 7 + (round >> 4)) % 8;
    if (kind === 0) verifier.message(await stream.readBytes(size));
    else if (kind === 1) verifier.message(await stream.readUntil('\n'));
    else if (kind === 2) verifier.message(await stream.readUntilRegex(/\n/, { maxBytes: 4096 }));
    else if (kind === 3) {
      const target = memory.subarray(0, size);
      verifier.message(target.subarray(0, await stream.readInto(target)));
    } else if (kind === 4) {
      verifier.take(await stream.readBytes(1 + (round % 1500), PARTIAL));
    } else if (kind === 5) {
      const count = await stream.readInto(memory.subarray(0, 1 + (round % 5000)), PARTIAL);
      verifier.take(memory.subarray(0, count));
    } else if (kind === 6) {
      await stream.peek(size);
      verifier.message(await stream.readBytes(size));
    } else {
      await givenUp(stream, verifier);
    }
  }
}

/** A read that is given up in the next turn, wherever it is then; what it had stays. */
async function givenUp(stream: IOStream, verifier: Verifier): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  // Without a bound each would leave more than the reads in between take.
  if (stream.readBufferSize > GIVEN_UP / 2) return;
  const memory = Buffer.alloc(GIVEN_UP);
  stream.loop.addCallback(() => controller.abort());
  try {
    if (verifier.messages % 2 === 0) {
      await stream.readUntilRegex(/\u0080/, { signal, maxBytes: GIVEN_UP, closeOnLimit: false });
    } else {
      await stream.readInto(memory, { signal });
      // It was faster.
      verifier.take(memory);
    }
  } catch (error) {
    const isExpected = signal.aborted || error instanceof UnsatisfiableReadError;
    if (!isExpected && !stream.ended) throw error;
  }
  // Whatever it still holds is not written to any more.
  memory.fill(0);
}

const GIVEN_UP = 400_000;

/** `read()` as `readable` events say. */
function duplexRead(stream: IOStream, verifier: Verifier): Promise<void> {
  const duplex = stream.toDuplex();
  return ended(
    duplex.on('readable', () => {
      for (let chunk: unknown; (chunk = duplex.read()) !== null;) verifier.take(chunk as Buffer);
    }),
  );
}

/** `read()` in callbacks of the loop, whatever the events say. */
function duplexReadByLoop(stream: IOStream, verifier: Verifier): Promise<void> {
  const duplex = stream.toDuplex();
  let isOver = false;
  const pull = (): void => {
    for (let chunk: unknown; (chunk = duplex.read()) !== null;) verifier.take(chunk as Buffer);
    if (!isOver) stream.loop.addCallback(pull);
  };
  stream.loop.addCallback(pull);
  return ended(duplex).finally(() => {
    isOver = true;
  });
}

/** One `recv()` for each event: what is left unread has to be reported again. */
function receive(loop: IOLoop, socket: Socket, verifier: Verifier): Promise<void> {
  return new Promise((resolve, reject) => {
    const onReadable = (): void => {
      try {
        const bytes = socket.recv(1 + ((verifier.messages * 7919) % 20_000));
        if (bytes === null) return;
        verifier.take(bytes);
        if (bytes.length > 0) return;
        loop.removeHandler(socket);
        resolve();
      } catch (error) {
        reject(error as Error);
      }
    };
    loop.addHandler(socket, onReadable, IOLoop.READ);
  });
}

function ended(duplex: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    duplex.on('end', resolve).on('error', reject);
    duplex.on('close', () => reject(new Error('closed without an end')));
  });
}
