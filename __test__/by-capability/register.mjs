// `node --import`: the tests of `build/` get `ava` from `ava.mjs`.
import { register } from 'node:module';

register('./hooks.mjs', import.meta.url);
