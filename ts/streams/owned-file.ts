/** The descriptor of a file that a transport owns. */
import { native } from '../boundary/native.js';
import { addressBuffer } from '../sockets/address.js';
import { Descriptor } from '../sockets/descriptor.js';
import { fdOf, type FdLike } from '../sockets/fd.js';
import { descriptorOf, Socket } from '../sockets/socket.js';
import { systemError } from '../support/errors.js';

/** The file of a transport: a descriptor, or else a number and its serial. */
export interface OwnedFile {
  readonly descriptor: Descriptor | null;
  readonly number: number;
  readonly serial: number;
  readonly connected: boolean;
}

/** A file with a descriptor, which the program may have as well. */
export function shared(descriptor: Descriptor, connected: boolean): OwnedFile {
  return { descriptor, number: Descriptor.NONE, serial: Descriptor.NONE, connected };
}

/** The descriptor of `file`. A number without one is adopted: other code may use it too. */
export function descriptorFor(file: FdLike): Descriptor {
  return descriptorOf(file) ?? new Descriptor(fdOf(file), true);
}

/** Makes a descriptor non-blocking. The number of a socket becomes a {@link Socket}. */
export function nonBlocking(file: FdLike, fd: number): FdLike {
  if (typeof file === 'number' && native.socketLocalAddress(fd, scratch) >= 0) {
    return Socket.fromFd(file);
  }
  const result = native.fdAdopt(fd);
  if (result < 0) throw systemError(result, 'ioctl', { fd });
  return file;
}

/** An address that is not looked at. */
const scratch = addressBuffer();
