// The npm packages, as they are published: one with the code, and one for each binary. Each is laid
// out in a folder of its own and packed by npm from there.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Hint, root } from './process.mjs';

/**
 * @typedef {import('../../dist/boundary/targets.js').Target} Target
 * @typedef {Record<string, any>} Manifest a package.json
 *
 * @typedef {object} Packed
 * @property {string} name
 * @property {string} version
 * @property {string} file the tarball
 * @property {{ path: string, size: number }[]} files
 * @property {number} size of the tarball, in bytes
 * @property {number} unpackedSize
 */

/** What is in each package. */
const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT'];

/** The list of the tarballs in a folder, in the order to publish them in. */
const INDEX = 'packages.json';

/** The WebAssembly flavour, for systems without a binary of their own, and for browsers. */
export const WASM = 'wasm32-wasip1';

/** What the bundle for browsers contains. */
const BUNDLED = ['base64-js', 'buffer', 'emnapi', 'ieee754', 'object-inspect'];

/** @param {string} name of a package */
function licenceOf(name) {
  return `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`;
}

/** Fields that are the same in all packages. */
const SHARED = ['version', 'license', 'author', 'homepage', 'repository', 'bugs', 'engines'];

/** What the user of a package has no use for. */
const LEFT_OUT = new Set(['scripts', 'devDependencies', 'ava', 'prettier', 'napi', 'imports']);

/**
 * Packs the package and that of each binary.
 *
 * @param {object} options
 * @param {readonly Target[]} options.targets
 * @param {string} options.glibcFloor
 * @param {Map<string, string>} options.binaries by the name of the target: the path of its file
 * @param {string} options.folder for the tarballs; emptied before
 * @returns {Promise<Packed[]>} the package itself is the last, which is the order to publish them in
 */
export async function pack({ targets, glibcFloor, binaries, folder }) {
  rmSync(folder, { recursive: true, force: true });
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const built = targets.filter(({ name }) => binaries.has(name));
  const packed = built.map((target) => {
    const stage = join(folder, 'stage', `ioloop-${target.name}`);
    mkdirSync(stage, { recursive: true });
    const manifest = platformManifest(own, target, glibcFloor);
    cpSync(/** @type {string} */ (binaries.get(target.name)), join(stage, manifest.main));
    writeFileSync(join(stage, 'README.md'), platformReadme(target, glibcFloor));
    return packStage(stage, manifest, folder);
  });
  const wasm = binaries.get(WASM);
  if (wasm !== undefined) packed.push(packWasm(own, wasm, folder));
  const stage = join(folder, 'stage', 'ioloop');
  mkdirSync(stage, { recursive: true });
  for (const file of ['README.md', 'CHANGELOG.md']) cpSync(join(root, file), join(stage, file));
  cpSync(join(root, 'dist'), join(stage, 'dist'), { recursive: true, filter: isPublished });
  removeMaps(join(stage, 'dist'));
  // The tools of these are there after the set-up only.
  const { rollTypings } = await import('./typings.mjs');
  await rollTypings(join(stage, 'dist'));
  if (wasm !== undefined) {
    const { bundleForBrowsers } = await import('./browser-bundle.mjs');
    const outdir = join(stage, 'dist', 'browser');
    await bundleForBrowsers({ wasm, outdir, entryPoints: { index: 'ts/index.ts' } });
    writeFileSync(join(outdir, 'LICENSES.txt'), BUNDLED.map(licenceOf).join('\n'));
  }
  packed.push(packStage(stage, mainManifest(own, packed), folder));
  const index = packed.map((one) => ({ ...one, file: basename(one.file) }));
  writeFileSync(join(folder, INDEX), JSON.stringify(index, null, 2));
  rmSync(join(folder, 'stage'), { recursive: true });
  return packed;
}

/**
 * Tarballs that were packed before.
 * @param {string} folder @returns {Packed[]}
 */
export function packedIn(folder) {
  const file = join(folder, INDEX);
  if (!existsSync(file)) throw new Hint(`There are no packages in ${folder}: run npm run pack.`);
  /** @type {Packed[]} */
  const packed = JSON.parse(readFileSync(file, 'utf8'));
  return packed.map((one) => ({ ...one, file: resolve(folder, one.file) }));
}

/**
 * The binaries in a folder and its subfolders, by the names of their targets.
 * @param {string} folder @param {readonly Target[]} targets
 */
export function binariesIn(folder, targets) {
  /** @type {Map<string, string>} */
  const found = new Map();
  if (!existsSync(folder)) throw new Hint(`There is no folder ${folder}.`);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const target = targets.find(({ name }) => entry.name === `ioloop.${name}.node`);
    if (target !== undefined) found.set(target.name, join(entry.parentPath, entry.name));
    // The WebAssembly flavour is a folder.
    if (entry.name === 'ioloop.wasm') found.set(WASM, entry.parentPath);
  }
  return found;
}

/**
 * The package.json of the package itself: that of the repository, without what only the repository
 * needs, and with the platform packages, each in exactly this version.
 * @param {Manifest} own @param {Packed[]} others @returns {Manifest}
 */
function mainManifest(own, others) {
  const kept = Object.entries(own).filter(([key]) => !LEFT_OUT.has(key));
  // Not installed by itself: a native binary that is missing is an error, and no slower program.
  const wasm = `ioloop-${WASM}`;
  const platforms = others
    .filter(({ name }) => name !== wasm)
    .map(({ name, version }) => [name, version]);
  const files = ['dist', 'CHANGELOG.md', ...LICENCES];
  const hasBrowser = others.some(({ name }) => name === wasm);
  return {
    ...Object.fromEntries(kept),
    files,
    exports: hasBrowser ? own['exports'] : withoutBrowser(own['exports']),
    peerDependencies: { ...own.peerDependencies, [wasm]: own.version },
    peerDependenciesMeta: { ...own.peerDependenciesMeta, [wasm]: { optional: true } },
    optionalDependencies: Object.fromEntries(platforms),
  };
}

/** The entries of a package that was made without WebAssembly. @param {Record<string, any>} entries */
function withoutBrowser({ '.': main, ...others }) {
  const { types, default: own } = main;
  return { '.': { types, default: own }, ...others };
}

/**
 * The package.json of a platform package. npm installs it only where `os`, `cpu` and `libc` fit.
 * @param {Manifest} own @param {Target} target @param {string} glibcFloor @returns {Manifest}
 */
function platformManifest(own, { name, platform, arch, libc }, glibcFloor) {
  return {
    name: `ioloop-${name}`,
    description: `The binary of ioloop for ${name}`,
    ...sharedFields(own),
    os: [platform],
    cpu: [arch],
    ...(libc === null ? {} : { libc: [libc] }),
    ...(libc === 'glibc' ? { config: { glibc: `>=${glibcFloor}` } } : {}),
    type: 'commonjs',
    main: `ioloop.${name}.node`,
    files: [`ioloop.${name}.node`, ...LICENCES],
  };
}

/**
 * The package of the WebAssembly flavour, an optional peer of the package itself. It has no `cpu`,
 * which npm would compare with that of the machine.
 * @param {Manifest} own @param {string} source its folder @param {string} folder
 */
function packWasm(own, source, folder) {
  const stage = join(folder, 'stage', `ioloop-${WASM}`);
  cpSync(source, stage, { recursive: true });
  cpSync(join(root, 'node_modules', 'emnapi', 'LICENSE'), join(stage, 'LICENSE-emnapi'));
  writeFileSync(
    join(stage, 'README.md'),
    `# ioloop-${WASM}

The WebAssembly flavour of [ioloop](https://www.npmjs.com/package/ioloop), for systems without a binary of their own and for browsers: install it beside \`ioloop\`, in the same version. It contains [emnapi](https://github.com/toyobayashi/emnapi), under the MIT licence (\`LICENSE-emnapi\`).
`,
  );
  const files = ['index.cjs', 'browser.js', 'ioloop.wasm'];
  const manifest = {
    name: `ioloop-${WASM}`,
    description: 'The WebAssembly flavour of ioloop',
    ...sharedFields(own),
    type: 'module',
    sideEffects: false,
    main: 'index.cjs',
    exports: {
      '.': { browser: './browser.js', default: './index.cjs' },
      './ioloop.wasm': './ioloop.wasm',
      './package.json': './package.json',
    },
    files: [...files, ...LICENCES, 'LICENSE-emnapi'],
  };
  return packStage(stage, manifest, folder);
}

/** @param {Manifest} own */
function sharedFields(own) {
  return Object.fromEntries(SHARED.filter((key) => key in own).map((key) => [key, own[key]]));
}

/** @param {Target} target @param {string} glibcFloor */
function platformReadme({ name, triple, libc }, glibcFloor) {
  const floor = libc === 'glibc' ? ` It needs glibc ${glibcFloor} or later.` : '';
  return `# ioloop-${name}

The binary of [ioloop](https://www.npmjs.com/package/ioloop) for \`${triple}\`.${floor} It is an optional dependency of that package: install \`ioloop\`, not this.
`;
}

/** @param {string} stage @param {Manifest} manifest @param {string} folder @returns {Packed} */
function packStage(stage, manifest, folder) {
  for (const file of LICENCES) cpSync(join(root, file), join(stage, file));
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: stage, encoding: 'utf8' });
  if (status !== 0) throw new Hint(`npm pack of ${manifest.name} failed:\n${stderr}`);
  const [{ name, version, filename, files, size, unpackedSize }] = JSON.parse(stdout);
  return { name, version, file: join(folder, filename), files, size, unpackedSize };
}

/**
 * The published code is readable as it is, with its comments. Its source maps would be most of the
 * package, and `--enable-source-maps` would parse them in each import.
 * @param {string} folder
 */
function removeMaps(folder) {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    if (name.endsWith('.map')) rmSync(file);
    if (!name.endsWith('.js')) continue;
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^\/\/# sourceMappingURL=.*\n?/m, ''));
  }
}

/**
 * Without the entry of the tests, and without what is made: typings, and the entry for browsers.
 * @param {string} path
 */
function isPublished(path) {
  const name = basename(path);
  return !path.endsWith('.d.ts') && !name.startsWith('internal.') && name !== 'browser';
}
