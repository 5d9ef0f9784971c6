// Builds the binary of another system by zig and puts it into a file, for the workflow of releases:
//
//   node scripts/build-cross.mjs x86_64-unknown-linux-musl native/ioloop.linux-x64-musl.node
import { copyFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { crossBinary } from './lib/cross-binary.mjs';
import { Hint, script } from './lib/process.mjs';

const [triple, file] = process.argv.slice(2);

await script(() => {
  if (triple === undefined || file === undefined) {
    throw new Hint('node scripts/build-cross.mjs <target of Rust> <file>');
  }
  copyFileSync(crossBinary(triple), resolve(file));
});
