/** The types of the files that a transport can have. */
import { native } from '../boundary/native.js';
import type { Family } from '../sockets/address.js';
import { assertStreamKind, KIND_RECORDS, LARGEST_RECORD } from '../sockets/descriptor-kinds.js';
import type { Socket } from '../sockets/socket.js';

const { MODE_STREAM, MODE_FILE } = native;

/** What is the same for all files of a kind: a connection has a pointer to it. */
export class FileType {
  readonly mode: number;
  readonly leastRoom: number;
  readonly hasHalfClose: boolean;
  readonly kind: number;
  /** Of a socket; otherwise `null`. */
  readonly family: Family | null;

  constructor(kind: number, family: Family | null) {
    this.mode = family === null ? MODE_STREAM | MODE_FILE : MODE_STREAM;
    // Only sockets have one.
    this.hasHalfClose = family !== null;
    this.leastRoom = kind === KIND_RECORDS ? LARGEST_RECORD : 1;
    this.kind = kind;
    this.family = family;
  }
}

/** The type of a file of this kind. `family` is that of a socket, otherwise `null`. */
export function typeOf(kind: number, family: Family | null): FileType {
  const key = `${kind} ${family}`;
  let type = types.get(key);
  if (type === undefined) types.set(key, (type = new FileType(kind, family)));
  return type;
}

/** `kind` itself. @throws `ERR_IOLOOP_UNSUPPORTED` for a socket with messages. */
export function streamKind(kind: number): number {
  assertStreamKind(kind);
  return kind;
}

/** The type of a socket, or of the file of a number. */
export function typeOfFile(file: Socket | number): FileType {
  if (typeof file === 'number') return typeOf(native.fdKind(file), null);
  return typeOf(file.kind, file.family);
}

/** By kind and family. */
const types = new Map<string, FileType>();
