// Objects and bytes of an idle accepted stream: `node --expose-gc idle-streams.mjs [folder of a
// checkout] [connections] [accepted | waiting | answered] [stream | protocol]`. Prints JSON: objects and bytes by class, from
// two heap snapshots; of more than 5,000 connections resident bytes.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { getHeapSnapshot } from 'node:v8';

const own = fileURLToPath(import.meta.url);
const [
  folder = join(own, '../../..'),
  connections = '2100',
  state = 'answered',
  served = 'stream',
] = process.argv.slice(2);

/** Connections before the first measurement. */
const FIRST = 100;
/** The most connections whose objects are counted: above, resident memory is measured. */
const MOST_COUNTED = 5_000;

if (process.send === undefined) await serve(Number(connections));
else process.on('message', connectMore);

/** @param {number} total */
async function serve(total) {
  const module = pathToFileURL(join(resolve(folder), 'dist/index.js')).href;
  const { IOLoop, lines, TCPServer } = await import(module);
  const loop = IOLoop.current();
  const streams = [];
  const handleStream = (stream) => {
    streams.push(stream);
    if (state !== 'accepted') answer(stream);
  };
  const protocol = {
    open: (connection) => void streams.push(connection),
    data: lines?.((connection) => connection.write('+OK\n')) ?? null,
  };
  const server = new TCPServer(served === 'protocol' ? { protocol } : { handleStream });
  server.listen(0, '127.0.0.1');
  loop.start();
  const clients = fork(own, { execArgv: [] });
  const open = async (wanted) => {
    clients.send({ port: server.port, wanted: wanted - streams.length, state });
    await once(clients, 'message');
    while (streams.length < wanted) await sleep(10);
    await settle();
  };
  const resident = async () => {
    const before = process.memoryUsage();
    await open(total);
    const after = process.memoryUsage();
    const each = (name) => Math.round((after[name] - before[name]) / (total - FIRST));
    return {
      rss: each('rss'),
      heapTotal: each('heapTotal'),
      heapUsed: each('heapUsed'),
      external: each('external'),
    };
  };
  const counted = async () => {
    const before = await snapshot();
    await open(total);
    return growth(before, await snapshot(), total - FIRST);
  };
  // The first of everything is not an idle stream's.
  await open(FIRST);
  const figures = total > MOST_COUNTED ? await resident() : await counted();
  console.log(JSON.stringify({ state, served, streams: total, ...figures }));
  clients.kill();
  process.exit();
}

/** Objects and bytes of each of `count` streams. @param {string} before @param {string} after */
function growth(before, after, count) {
  const [had, has] = [before, after].map((text) => JSON.parse(text));
  const classes = {};
  let [objects, bytes] = [0, 0];
  for (const [name, [number, size]] of Object.entries(has)) {
    const [numberBefore, sizeBefore] = had[name] ?? [0, 0];
    const each = round((number - numberBefore) / count);
    if (each < 0.5) continue;
    classes[name] = [each, round((size - sizeBefore) / count)];
    objects += classes[name][0];
    bytes += classes[name][1];
  }
  return { objects: round(objects), heapBytes: round(bytes), classes };
}

/** Answers each line of a stream. */
async function answer(stream) {
  for (;;) {
    await stream.readUntil('\n');
    await stream.write('+OK\n');
  }
}

async function settle() {
  for (let turn = 0; turn < 5; turn += 1) {
    await setImmediate();
    globalThis.gc();
  }
}

/** Objects and their own bytes, by class. @returns {Promise<string>} JSON. */
async function snapshot() {
  let text = '';
  for await (const chunk of getHeapSnapshot()) text += chunk;
  const { snapshot: layout, nodes, strings } = JSON.parse(text);
  const fields = layout.meta.node_fields;
  const [types] = layout.meta.node_types;
  const [type, name, self] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field));
  const classes = new Map();
  for (let at = 0; at < nodes.length; at += fields.length) {
    const kind = types[nodes[at + type]];
    if (!['object', 'closure', 'array', 'native', 'hidden'].includes(kind)) continue;
    const named = strings[nodes[at + name]];
    const title = kind === 'object' ? named : `(${kind}) ${named}`;
    const [objects, size] = classes.get(title) ?? [0, 0];
    classes.set(title, [objects + 1, size + nodes[at + self]]);
  }
  // As text: what this program keeps is not to be counted next time.
  return JSON.stringify(Object.fromEntries(classes));
}

/** @param {{ port: number, wanted: number, state: string }} order */
async function connectMore({ port, wanted, state: mode }) {
  for (let made = 0; made < wanted; made += 100) {
    const batch = Array.from({ length: Math.min(100, wanted - made) }, async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      if (mode !== 'answered') return;
      socket.write('PING\n');
      await once(socket, 'data');
    });
    await Promise.all(batch);
  }
  process.send?.('done');
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}
