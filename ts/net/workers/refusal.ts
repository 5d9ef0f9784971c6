/**
 * Refusing new connections before a group accepts for the last time: the kernel resets those that are
 * in the backlog of a listener when it is closed.
 */
import { lstatSync, unlinkSync, type Stats } from 'node:fs';
import { native } from '../../boundary/native.js';
import type { Socket } from '../../sockets/socket.js';

/** The sockets of a group, and the files of those that have one. */
export class Refusal {
  readonly #sockets: readonly Socket[];
  readonly #files: ReadonlyMap<string, Stats>;

  /** `sockets` were bound just now. */
  constructor(sockets: Iterable<Socket>) {
    this.#sockets = [...sockets];
    const files = new Map<string, Stats>();
    for (const socket of this.#sockets) {
      const path = fileOf(socket);
      const file = path === null ? undefined : fileAt(path);
      if (path !== null && file !== undefined) files.set(path, file);
    }
    this.#files = files;
  }

  /**
   * From now on the backlogs get no further connection. On Linux the listeners of TCP drop each SYN:
   * clients repeat theirs until they are refused. Elsewhere, and with an abstract Unix socket, a
   * connection may be established after that, and is reset. The file of a Unix socket is removed, unless
   * another socket has it by now.
   */
  begin(): void {
    for (const socket of this.#sockets) {
      if (!socket.closed && 'port' in socket.localAddress) native.socketRefuseNew(socket.fd);
    }
    for (const [path, { dev, ino }] of this.#files) {
      const file = fileAt(path);
      if (file?.dev === dev && file.ino === ino) remove(path);
    }
  }
}

/** The path of a Unix socket that has a file; `null` for others. */
function fileOf(socket: Socket): string | null {
  const address = socket.closed ? null : socket.localAddress;
  if (address === null || !('path' in address)) return null;
  return address.path === '' || address.path.startsWith('\0') ? null : address.path;
}

function fileAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // Its directory was removed, or is not to be read any more.
    return undefined;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The process may not: connections may be established, as with an abstract name.
  }
}
