/**
 * The bytes of a connection: a function of its number and their offset, the same as in `peer.c`.
 * A byte that comes in another place, twice or not at all is seen, however far it was moved.
 */

/** A prime: no buffer, block or budget is a multiple of it. */
const PERIOD = 1_000_003;
const NEWLINE = 0x0a;

const pattern = makePattern();

function makePattern(): Buffer {
  const bytes = Buffer.alloc(2 * PERIOD);
  let x = 0x9e37_79b9;
  for (let at = 0; at < PERIOD; at += 1) {
    x = step(x);
    const byte = x >>> 25;
    bytes[at] = bytes[at + PERIOD] = byte === NEWLINE ? byte + 1 : byte;
  }
  return bytes;
}

/** The next of a sequence of numbers that looks random. */
export function step(x: number): number {
  let next = x ^ (x << 13);
  next ^= next >>> 17;
  return (next ^ (next << 5)) >>> 0;
}

/** Where the byte at `offset` is in the pattern; the bytes up to the end of its lap follow it. */
function placeOf(connection: number, offset: number): number {
  const lap = Math.floor(offset / PERIOD);
  const rotation = (Math.imul(connection * 7919 + lap, 2_654_435_761) >>> 0) % PERIOD;
  return ((offset % PERIOD) + rotation) % PERIOD;
}

/** A copy of the bytes of a connection, without the ends of messages. */
export function bytesOf(connection: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const size = Math.min(length - at, PERIOD - ((offset + at) % PERIOD));
    const place = placeOf(connection, offset + at);
    pattern.copy(bytes, at, place, place + size);
    at += size;
  }
  return bytes;
}

/** The messages of one connection. */
export interface Shape {
  readonly messages: number;
  /** Bytes of a message, its newline included. */
  readonly min: number;
  readonly max: number;
}

/** The lengths of the messages of a connection, one after the other. */
export class Lengths {
  readonly #shape: Shape;
  #state: number;

  constructor(connection: number, shape: Shape) {
    this.#shape = shape;
    this.#state = (Math.imul(connection, 2_654_435_761) + 1) >>> 0;
  }

  next(): number {
    const { min, max } = this.#shape;
    this.#state = step(this.#state);
    return min + (this.#state % (max - min + 1));
  }
}

/** Compares what one connection brought with what its peer has sent. */
export class Verifier {
  readonly connection: number;
  readonly shape: Shape;
  /** Called with the number of each message that is complete. */
  onMessage: ((index: number) => void) | null = null;
  /** Complete messages, and those of them that had a wrong byte or a wrong length. */
  messages = 0;
  wrong = 0;
  bytes = 0;
  /** Where the first wrong byte was. */
  firstWrong = -1;
  readonly #lengths: Lengths;
  /** Bytes of the message that are still to come. */
  #left: number;
  #isWrong = false;

  constructor(connection: number, shape: Shape) {
    this.connection = connection;
    this.shape = shape;
    this.#lengths = new Lengths(connection, shape);
    this.#left = this.#lengths.next();
  }

  get done(): boolean {
    return this.messages >= this.shape.messages;
  }

  /** The length of what is left of the message. */
  get next(): number {
    return this.#left;
  }

  /** Takes what has to be exactly one message. */
  message(bytes: Uint8Array): void {
    if (bytes.length !== this.#left) this.fail();
    this.take(bytes);
  }

  /** Takes the next bytes of the stream, whatever they are a part of. */
  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.done) {
        this.fail();
        this.wrong += 1;
        return;
      }
      const size = Math.min(bytes.length - at, this.#left);
      this.#compare(bytes, at, at + size);
      at += size;
      this.#left -= size;
      if (this.#left === 0) this.#complete();
    }
  }

  #compare(bytes: Uint8Array, start: number, end: number): void {
    const isLast = end - start === this.#left;
    const body = isLast ? end - 1 : end;
    for (let at = start; at < body;) {
      const size = Math.min(body - at, PERIOD - (this.bytes % PERIOD));
      const place = placeOf(this.connection, this.bytes);
      if (pattern.compare(bytes, at, at + size, place, place + size) !== 0) this.fail();
      this.bytes += size;
      at += size;
    }
    if (!isLast) return;
    if (bytes[body] !== NEWLINE) this.fail();
    this.bytes += 1;
  }

  #complete(): void {
    if (this.#isWrong) this.wrong += 1;
    this.#isWrong = false;
    const index = this.messages;
    this.messages += 1;
    this.#left = this.#lengths.next();
    this.onMessage?.(index);
  }

  /** The running message is wrong. */
  fail(): void {
    this.#isWrong = true;
    if (this.firstWrong < 0) this.firstWrong = this.bytes;
  }
}
