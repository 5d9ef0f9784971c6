/** The system and the runtime that this process has, as far as the choice of a binary needs them. */
import { readFileSync } from 'node:fs';
import { environment } from '../support/environment.js';
import type { Libc, Target } from './targets.js';

/** The system of this process. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  /** Of Linux; `null` elsewhere, or if it cannot be determined. */
  readonly libc: Libc | null;
}

export function thisHost(): Host {
  const { platform, arch } = process;
  return { platform, arch, libc: platform === 'linux' ? libcOf() : null };
}

/** Whether a binary of `target` runs on `host`. An unknown libc may be either. */
export function fits({ platform, arch, libc }: Target, host: Host): boolean {
  return (
    platform === host.platform && arch === host.arch && (host.libc === null || libc === host.libc)
  );
}

/** The file of `NAPI_RS_NATIVE_LIBRARY_PATH`, which is loaded instead of the installed binary. */
export function chosenPath(): string | undefined {
  return environment('NAPI_RS_NATIVE_LIBRARY_PATH');
}

/** `engines` of package.json. */
export const NODE_VERSIONS = '^20.19 || ^22.13 || >=24';

/** Whether {@link NODE_VERSIONS} has a version of Node. */
export function isListedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return NODE_VERSIONS.split(' || ').some((range) => {
    const [least = 0, leastMinor = 0] = range.replace(/^\D+/, '').split('.').map(Number);
    if (major === least) return minor >= leastMinor;
    return range.startsWith('>=') && major > least;
  });
}

/** Whether this is a Node.js older than all of {@link NODE_VERSIONS}. */
export function isNodeTooOld(): boolean {
  return Number.parseInt(process.versions.node, 10) < OLDEST_NODE;
}

/** The oldest major version that is supported. */
const OLDEST_NODE = 20;

/** `linux x64 (glibc 2.36)`. */
export function describeHost({ platform, arch, libc }: Host): string {
  if (libc === null) return `${platform} ${arch}`;
  const version = libc === 'glibc' ? glibcVersion() : null;
  return `${platform} ${arch} (${libc}${version === null ? '' : ` ${version}`})`;
}

/** `Node.js 20.19.0`, or the name and version of another runtime. */
export function describeRuntime(): string {
  const { bun, deno, node } = process.versions as Partial<Record<string, string>>;
  if (bun !== undefined) return `Bun ${bun}`;
  if (deno !== undefined) return `Deno ${deno}`;
  return `Node.js ${node}`;
}

/** The version of glibc; `null` on other systems. */
export function glibcVersion(): string | null {
  return header()?.glibcVersionRuntime ?? null;
}

function libcOf(): Libc | null {
  try {
    // A script that says which C library it belongs to: faster than a report.
    return readFileSync('/usr/bin/ldd', 'utf8').includes('musl') ? 'musl' : 'glibc';
  } catch {
    const report = header();
    if (report === null) return null;
    return report.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  }
}

function header(): { glibcVersionRuntime?: string } | null {
  const { report } = process;
  if (typeof report?.getReport !== 'function') return null;
  try {
    // Without it, the report waits for a name of each network interface.
    (report as { excludeNetwork?: boolean }).excludeNetwork = true;
    return (report.getReport() as { header?: { glibcVersionRuntime?: string } }).header ?? null;
  } catch {
    return null;
  }
}
