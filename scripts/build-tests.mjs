// `npm run build:tests`: `__test__` into `build`.
import { join } from 'node:path';
import { compile, removeAllBut } from './lib/compile.mjs';
import { root } from './lib/process.mjs';

const emitted = compile('tsconfig.test.json');
if (emitted === null) process.exit(1);
removeAllBut(emitted, join(root, 'build'));
