// `npm run setup`: everything that `npm start` and `npm test` need.
import { script } from './lib/process.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';

await script(() => {
  setUp();
  setUpTests();
});
