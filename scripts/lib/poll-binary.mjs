// A binary of this system with the selector on poll(2), which is otherwise that of other systems.
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './process.mjs';
import { step } from './setup.mjs';
import { upToDate } from './stamp.mjs';

const folder = join('target', 'poll');
const binary = join(folder, 'ioloop.node');

/** The environment of cargo: the flag is that of mio, which `crates/ioloop/build.rs` obeys. */
export const overPoll = {
  RUSTFLAGS: '--cfg mio_unsupported_force_poll_poll',
  CARGO_TARGET_DIR: join(root, folder),
};

/** The path of the binary, which is built if it is missing or out of date. */
export function pollBinary() {
  upToDate({
    name: 'poll-binary',
    from: ['crates', 'Cargo.toml', 'Cargo.lock'],
    gives: [binary],
    make: () => {
      step(
        'building the binary over poll(2)',
        'cargo',
        ['build', '--release', '--locked', '-p', 'ioloop-napi'],
        overPoll,
      );
      const extension = process.platform === 'darwin' ? 'dylib' : 'so';
      const library = join(root, folder, 'release', `libioloop_napi.${extension}`);
      // Removed first: a process that runs on the old file keeps it.
      rmSync(join(root, binary), { force: true });
      copyFileSync(library, join(root, binary));
    },
  });
  return join(root, binary);
}
