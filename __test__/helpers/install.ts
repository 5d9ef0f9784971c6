/** Projects with the package as npm installs it: without the source tree around it. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { loaded } from '#internal';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The binary that the tests run on. */
export const BINARY = loaded.from;

/** The name of this system's platform package. */
export const PLATFORM_PACKAGE = `ioloop-${nameOfTarget()}`;

/** A project with `ioloop` in its `node_modules`, removed with the test. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'ioloop-project-'));

  constructor(t: ExecutionContext) {
    t.teardown(() => {
      rmSync(this.folder, { recursive: true, force: true });
    });
    const home = join(this.folder, 'node_modules', 'ioloop');
    cpSync(join(ROOT, 'dist'), join(home, 'dist'), {
      recursive: true,
      filter: (file) => !/\.(map|d\.ts)$/.test(file),
    });
    cpSync(join(ROOT, 'package.json'), join(home, 'package.json'));
  }

  /** The folder of an installed package. */
  module(name: string): string {
    return join(this.folder, 'node_modules', name);
  }

  /** Writes a file of the project. */
  write(path: string, text: string | Uint8Array): void {
    writeFileSync(join(this.folder, path), text);
  }

  /** Replaces a text in the compiled package. */
  replaceInDist(text: string, by: string): void {
    const dist = join(this.module('ioloop'), 'dist');
    for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) {
      const source = readFileSync(join(dist, file), 'utf8');
      if (source.includes(text)) writeFileSync(join(dist, file), source.replaceAll(text, by));
    }
  }

  /** Removes `node_modules`. */
  removeModules(): void {
    rmSync(join(this.folder, 'node_modules'), { recursive: true });
  }

  /** Installs a platform package with this binary. */
  addBinary(binary: Uint8Array, name = PLATFORM_PACKAGE): void {
    mkdirSync(this.module(name));
    const main = 'ioloop.node';
    writeFileSync(join(this.module(name), 'package.json'), JSON.stringify({ name, main }));
    writeFileSync(join(this.module(name), main), binary);
  }

  /** Runs a program of the project, under this Node. */
  run(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): { code: number | null; stdout: string; stderr: string } {
    const { PATH = '' } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: this.folder,
      // Without what chooses a binary or a driver here.
      env: { PATH, ...env },
      encoding: 'utf8',
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    return { code: status, stdout, stderr };
  }
}

function nameOfTarget(): string {
  // The build has named its file so; another one was chosen by its path.
  const native = readdirSync(join(ROOT, 'native')).find((file) => file.endsWith('.node'));
  const [, name] = /^ioloop\.(.+)\.node$/.exec(basename(native ?? BINARY)) ?? [];
  if (name === undefined) throw new Error(`no target in the name of ${native ?? BINARY}`);
  return name;
}
