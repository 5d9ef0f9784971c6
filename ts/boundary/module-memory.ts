/**
 * The arrays of a crossing, where the memory of the binary is not JavaScript's: a module of
 * WebAssembly. They are copied, to and from a room in the module (`crates/ioloop-napi/src/memory.rs`).
 *
 * A view of the room ends when the memory grows, which any call may cause, also while it reads its
 * arguments: it then takes nothing, and is made again with other views. So views live within one
 * function of this file, and the arrays of all other files are JavaScript's own, as with a native
 * binary.
 */
import type { Binding } from './binding.js';

/** The binding as the module has it. */
export interface ModuleBinding extends Binding {
  /** A view of the room, of at least so many bytes. */
  moduleRoom(bytes: number): Uint8Array;
}

/** The binding with copies of its arrays. */
export function withCopiedArrays(module: ModuleBinding): Binding {
  const room = new Room(module);
  const { COMPLETED_DUE, COMPLETED_HEADER, COMPLETED_READY, READY_WORDS, STALE_ARRAY } = module;

  const loopTurn: Binding['loopTurn'] = (handle, now, submissions, length, completions) => {
    room.resize(length, completions.length);
    let result: number;
    do {
      result = module.loopTurn(
        handle,
        now,
        room.submitted(submissions, length),
        length,
        room.completions(),
        NOTHING,
        NOTHING,
        0,
        0,
      );
    } while (result === STALE_ARRAY);
    if (result < 0) return result;
    const written = room.completions();
    const due = written[COMPLETED_DUE] as number;
    const ready = written[COMPLETED_READY] as number;
    completions.set(written.subarray(0, COMPLETED_HEADER + due + READY_WORDS * ready));
    return result;
  };

  const loopSubmit: Binding['loopSubmit'] = (handle, submissions, length) => {
    room.resize(length, 0);
    let result: number;
    do {
      result = module.loopSubmit(handle, room.submitted(submissions, length), length);
    } while (result === STALE_ARRAY);
    return result;
  };

  const loopSleep: Binding['loopSleep'] = (handle, now, submissions, length, isPaused) => {
    room.resize(length, 0);
    let wait: number;
    do {
      wait = module.loopSleep(handle, now, room.submitted(submissions, length), length, isPaused);
    } while (Number.isNaN(wait));
    return wait;
  };

  return { ...module, loopTurn, loopSubmit, loopSleep };
}

/** Memory in the module: submissions, and completions after them. */
class Room {
  readonly #module: ModuleBinding;
  #bytes: Uint8Array = NOTHING;
  /** Words of the submissions, and of the completions. */
  #sizes: readonly [number, number] = [0, 0];

  constructor(module: ModuleBinding) {
    this.#module = module;
  }

  resize(submissions: number, completions: number): void {
    this.#sizes = [submissions, completions];
  }

  /** The first words of `submissions`, copied. */
  submitted(submissions: Float64Array, length: number): Float64Array {
    const { buffer, byteOffset } = this.#view();
    const words = new Float64Array(buffer, byteOffset, length);
    words.set(submissions.subarray(0, length));
    return words;
  }

  /** A view for or of the completions. */
  completions(): Int32Array {
    const { buffer, byteOffset } = this.#view();
    const [submissions, completions] = this.#sizes;
    const start = byteOffset + Float64Array.BYTES_PER_ELEMENT * submissions;
    return new Int32Array(buffer, start, completions);
  }

  /** The room itself; another view of it once the memory has grown, as its length is 0 then. */
  #view(): Uint8Array {
    const [submissions, completions] = this.#sizes;
    const bytes =
      Float64Array.BYTES_PER_ELEMENT * submissions + Int32Array.BYTES_PER_ELEMENT * completions;
    if (this.#bytes.byteLength < Math.max(bytes, 1)) this.#bytes = this.#module.moduleRoom(bytes);
    return this.#bytes;
  }
}

const NOTHING = new Uint8Array(0);
