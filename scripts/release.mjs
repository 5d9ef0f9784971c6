// Releases. RELEASING.md has the steps.
//
//   npm run release:dry                                all but the upload, and a rehearsal on this machine
//   node scripts/release.mjs version 0.2.0             writes the version into every file that has it
//   node scripts/release.mjs check --tag v0.2.0        compares tag, versions and changelog
//   node scripts/release.mjs publish --provenance      publishes artifacts/packages; `--dry-run`
//   node scripts/release.mjs notes                     the entries of this version in the changelog
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Hint, run, script } from './lib/process.mjs';
import { packagesIn, publish } from './release/publication.mjs';
import { rehearse } from './release/rehearsal.mjs';
import { setVersion } from './release/set-version.mjs';
import { packageVersion, releaseNotes, versionFaults } from './release/versions.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tag: { type: 'string' },
    packages: { type: 'string', default: 'artifacts/packages' },
    'dry-run': { type: 'boolean', default: false },
    provenance: { type: 'boolean', default: false },
  },
});

/** @type {Record<string, () => unknown>} */
const commands = { version, check, publish: publishPackages, notes, dry };

await script(async () => {
  const [name = ''] = positionals;
  const command = commands[name];
  if (command === undefined) {
    throw new Hint(`The command is one of ${Object.keys(commands).join(', ')}, and not "${name}".`);
  }
  await command();
});

function version() {
  const [, wanted = ''] = positionals;
  setVersion(wanted);
  check();
}

function check() {
  const faults = versionFaults(values.tag);
  if (faults.length > 0) throw new Hint(faults.join('\n'));
  const tagged = values.tag === undefined ? '' : `, tag ${values.tag}`;
  console.log(`versions agree: ${packageVersion()}${tagged}`);
}

async function publishPackages() {
  const packages = packagesIn(resolve(values.packages), packageVersion());
  const { 'dry-run': dryRun, provenance } = values;
  const published = await publish(packages, { dryRun, provenance });
  console.log(
    `${published.length} of ${packages.length} packages ${dryRun ? 'to publish' : 'published'}`,
  );
}

function notes() {
  console.log(releaseNotes(packageVersion()));
}

async function dry() {
  check();
  run('npm', ['run', 'pack']);
  const folder = resolve(values.packages);
  const packages = packagesIn(folder, packageVersion());
  console.log('\nnpm publish --dry-run, in the order of a release:');
  await publish(packages, { dryRun: true });
  console.log('\na publication that is interrupted, on a registry of this machine:');
  await rehearse();
}
