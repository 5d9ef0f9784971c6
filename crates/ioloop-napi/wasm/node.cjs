/** The entry of the package `ioloop-wasm32-wasip1` in Node: loads the module that is beside it. */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { instantiate } = require('./instantiate.mjs');

module.exports = instantiate(readFileSync(join(__dirname, 'ioloop.wasm')));
