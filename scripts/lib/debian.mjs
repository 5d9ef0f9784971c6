// Packages of Debian, unpacked into `.cache/debian`: nothing is installed, and no root is needed. Works
// on any system with apt and Debian's keys (package `debian-archive-keyring`).
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root, run } from './process.mjs';
import { upToDate } from './stamp.mjs';

const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
const SUITE = 'trixie';

/**
 * The folder with the files of packages of Debian's stable release.
 * @param {string} name of the folder
 * @param {string[]} packages
 * @param {string} [architecture]
 */
export function debianFiles(name, packages, architecture = 'amd64') {
  const folder = join('.cache', 'debian', name);
  upToDate({
    name: `debian-${name}-${packages.join('-')}`,
    from: [],
    gives: [folder],
    make: () => {
      console.log(`fetching ${packages.join(', ')} of Debian (${architecture})`);
      unpack(join(root, folder), packages, architecture);
    },
  });
  return join(root, folder);
}

/** @param {string} folder @param {string[]} packages @param {string} architecture */
function unpack(folder, packages, architecture) {
  if (process.platform !== 'linux' || !existsSync(KEYS)) {
    throw new Hint(`Needs apt and ${KEYS}: apt-get install debian-archive-keyring`);
  }
  // A state of apt of its own: the system's is not touched.
  const state = join(root, '.cache', 'debian', `apt-${architecture}`);
  for (const part of ['lists/partial', 'cache/archives/partial', 'files']) {
    mkdirSync(join(state, part), { recursive: true });
  }
  const source = `deb [signed-by=${KEYS}] http://deb.debian.org/debian ${SUITE} main\n`;
  writeFileSync(join(state, 'sources.list'), source);
  writeFileSync(join(state, 'status'), '');
  const options = Object.entries({
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'Dir::Etc::sourcelist': join(state, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State': state,
    'Dir::State::lists': join(state, 'lists'),
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': join(state, 'cache'),
  }).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  run('apt-get', [...options, '-qq', 'update']);
  const files = join(state, 'files');
  run('sh', [
    '-c',
    'cd "$0" && exec apt-get "$@"',
    files,
    ...options,
    '-qq',
    'download',
    ...packages,
  ]);
  mkdirSync(folder, { recursive: true });
  for (const one of packages) {
    const file = readdirSync(files).find((path) => path.startsWith(`${one}_`));
    if (file === undefined) throw new Hint(`apt has not fetched ${one}.`);
    run('dpkg-deb', ['-x', join(files, file), folder]);
  }
}
