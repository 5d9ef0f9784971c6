// Bundles modules of `ts` with rollup; esbuild removes the types. Each file that an import opens costs
// a part of a millisecond, so that all modules of the package are one file.
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { transform } from 'esbuild';
import { rollup } from 'rollup';
import { root } from './process.mjs';

/** Optional peers, which the program installs. */
const PEERS = ['prom-client', '@opentelemetry/api'];

/** The options of tsconfig.json that change JavaScript. */
const COMPILER_OPTIONS = { target: 'es2022', verbatimModuleSyntax: true };

/**
 * Writes the bundles of `entries`, by their names, and of what they import.
 *
 * @param {object} options
 * @param {Record<string, string>} options.entries modules, relative to `ts`
 * @param {string} options.folder where the bundles are written
 * @param {{ name: string, of: string }} [options.shared] one file, of this name, for all that a module
 *   imports; the others import it from there
 * @param {Record<string, string>} [options.apart] modules that other bundles have, and their files
 * @returns {Promise<string[]>} the files, with their maps
 */
export async function bundle({ entries, folder, shared, apart = {} }) {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const bundled = await rollup({
    input: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, source(path)])),
    external: [/^node:/, ...PEERS],
    plugins: [typescript(version, apart)],
    onwarn(warning) {
      throw new Error(warning.message);
    },
  });
  const { output } = await bundled.write({
    dir: folder,
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    sourcemap: true,
    hoistTransitiveImports: false,
    ...(shared === undefined ? {} : { manualChunks: oneChunk(shared.name, source(shared.of)) }),
  });
  await bundled.close();
  return output.map(({ fileName }) => join(folder, fileName));
}

/**
 * Resolves and loads modules of `ts`.
 * @param {string} version
 * @param {Record<string, string>} apart
 * @returns {import('rollup').Plugin}
 */
function typescript(version, apart) {
  const files = new Map(Object.entries(apart).map(([path, file]) => [source(path), file]));
  return {
    name: 'typescript',
    resolveId(name, importer) {
      if (importer === undefined || !name.startsWith('.')) return null;
      const id = resolve(dirname(importer), name.replace(/\.js$/, '.ts'));
      const file = files.get(id);
      return file === undefined ? id : { id: file, external: true };
    },
    async load(id) {
      return transform(await readFile(id, 'utf8'), {
        loader: 'ts',
        target: 'node20',
        sourcefile: id,
        sourcemap: true,
        define: { IOLOOP_PACKAGE_VERSION: JSON.stringify(version) },
        tsconfigRaw: { compilerOptions: COMPILER_OPTIONS },
      });
    },
  };
}

/**
 * All that a module imports, except on demand, is one chunk.
 * @param {string} name
 * @param {string} module
 * @returns {import('rollup').ManualChunksOption}
 */
function oneChunk(name, module) {
  /** @type {Set<string>} */
  const members = new Set();
  return (id, { getModuleInfo }) => {
    if (members.size === 0) collect(module, members, (of) => getModuleInfo(of)?.importedIds ?? []);
    return id !== module && members.has(id) ? name : undefined;
  };
}

/** @param {string} id @param {Set<string>} members @param {(id: string) => readonly string[]} importsOf */
function collect(id, members, importsOf) {
  if (members.has(id)) return;
  members.add(id);
  for (const imported of importsOf(id)) collect(imported, members, importsOf);
}

/** @param {string} path */
function source(path) {
  return join(root, 'ts', path);
}
