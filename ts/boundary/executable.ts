/**
 * Reads the header of a binary before it is loaded. The dynamic linker does not compare the size of a
 * file with what its header says: a binary that was cut off, by a full disk or an interrupted copy,
 * ends the process by SIGBUS. And glibc reports one of another architecture as a file that is not
 * there.
 *
 * Only ELF is read (Linux, FreeBSD): the linkers of macOS and Windows check both.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Why the file cannot be loaded, as the end of a sentence; `null` if nothing is found. */
export function flawOf(path: string, arch: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    // The loader reports what is missing or not permitted.
    return null;
  }
  try {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    const length = readSync(fd, header, 0, HEADER_BYTES, 0);
    return length < HEADER_BYTES ? NO_BINARY : flawOfHeader(header, fstatSync(fd).size, arch);
  } finally {
    closeSync(fd);
  }
}

function flawOfHeader(header: DataView, size: number, arch: string): string | null {
  const magic = header.getUint32(0);
  if (magic !== ELF) return OTHER_FORMATS.has(magic >>> 16) ? null : NO_BINARY;
  const isLittle = header.getUint8(5) === 1;
  const is64 = header.getUint8(4) === 2;
  const machine = MACHINES.get(header.getUint16(18, isLittle)) ?? 'another architecture';
  if (machine !== arch && KNOWN.has(arch)) return `is for ${machine}, and this process is ${arch}`;
  // The table of sections is the last part of the file.
  const table = is64 ? Number(header.getBigUint64(40, isLittle)) : header.getUint32(32, isLittle);
  const entry = header.getUint16(is64 ? 58 : 46, isLittle);
  const end = table + entry * header.getUint16(is64 ? 60 : 48, isLittle);
  return size < end ? `is incomplete: ${size} of ${end} bytes are there` : null;
}

const HEADER_BYTES = 64;
const ELF = 0x7f454c46;
const NO_BINARY = 'is not a binary';

/** The first two bytes of Mach-O, in either order and for several architectures, and of Windows. */
const OTHER_FORMATS = new Set([0xcffa, 0xfeed, 0xcafe, 0x4d5a]);

/** `e_machine`, as `process.arch` names it. */
const MACHINES = new Map([
  [3, 'ia32'],
  [21, 'ppc64'],
  [22, 's390x'],
  [40, 'arm'],
  [62, 'x64'],
  [183, 'arm64'],
  [243, 'riscv64'],
  [258, 'loong64'],
]);
const KNOWN = new Set(MACHINES.values());
