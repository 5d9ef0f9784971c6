// What a binary of another system is, by its header: a link that produced something else is found
// without running it.
import { readFileSync } from 'node:fs';

/** The function by which Node-API starts an addon. */
const ENTRY = 'napi_register_module_v1';

/**
 * Checks the format and the processor of a binary, and that Node could start it.
 * @param {string} path @param {'ELF' | 'FreeBSD' | 'Windows'} format @param {string} arch
 */
export function checkLinked(path, format, arch) {
  const bytes = readFileSync(path);
  const found = kindOf(bytes);
  if (found !== `${format} ${arch}`)
    throw new Error(`${path} is for ${found}, not ${format} ${arch}.`);
  if (!bytes.includes(ENTRY)) throw new Error(`${path} does not export ${ENTRY}.`);
}

/** @param {Buffer} bytes */
function kindOf(bytes) {
  if (bytes.toString('latin1', 0, 4) === '\x7fELF') {
    const system = bytes.includes(FREEBSD_LIBC) ? 'FreeBSD' : 'ELF';
    return `${system} ${ELF_MACHINES.get(bytes.readUInt16LE(18)) ?? 'unknown'}`;
  }
  if (bytes.toString('latin1', 0, 2) === 'MZ') {
    const header = bytes.readUInt32LE(0x3c);
    return `Windows ${PE_MACHINES.get(bytes.readUInt16LE(header + 4)) ?? 'unknown'}`;
  }
  return 'no known system';
}

/** A name in the table of strings. The header has the ABI of System V, as FreeBSD's own libraries may. */
const FREEBSD_LIBC = '\0libc.so.7\0';
const ELF_MACHINES = new Map([
  [40, 'arm'],
  [62, 'x64'],
  [183, 'arm64'],
]);
const PE_MACHINES = new Map([
  [0x8664, 'x64'],
  [0xaa64, 'arm64'],
]);
