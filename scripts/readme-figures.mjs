// `node scripts/readme-figures.mjs --check`: whether the figures of the README are those of
// docs/benchmarks/results.md. `npm run bench -- --write` writes both.
import { isReadmeTrue } from '../benches/report/publish.mjs';
import { Hint, script } from './lib/process.mjs';

await script(async () => {
  if (await isReadmeTrue()) return;
  throw new Hint(
    'The figures of the README are not those of docs/benchmarks/results.md: npm run bench -- --from FILE --write.',
  );
});
