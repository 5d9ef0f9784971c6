// Objects and bytes of an idle accepted stream: `node --expose-gc idle-streams.mjs [folder of a
// checkout] [connections] [accepted | waiting | answered]`. Prints JSON: objects by class and bytes
// from two heap snapshots, and resident bytes.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { getHeapSnapshot } from 'node:v8';

const own = fileURLToPath(import.meta.url);
const [folder = join(own, '../../..'), count = '1000', state = 'answered'] = process.argv.slice(2);

/** Connections that one snapshot counts: more add nothing but time. */
const COUNTED = 2_000;

if (process.send === undefined) await serve(Number(count));
else process.on('message', connectMore);

/** @param {number} total */
async function serve(total) {
  const module = pathToFileURL(join(resolve(folder), 'dist/index.js')).href;
  const { IOLoop, TCPServer } = await import(module);
  const loop = IOLoop.current();
  const streams = [];
  const server = new TCPServer({
    handleStream: (stream) => {
      streams.push(stream);
      if (state !== 'accepted') answer(stream);
    },
  });
  server.listen(0, '127.0.0.1');
  loop.start();
  const clients = fork(own, { execArgv: [] });
  const open = async (wanted) => {
    clients.send({ port: server.port, wanted: wanted - streams.length, state });
    await once(clients, 'message');
    while (streams.length < wanted) await sleep(10);
    await settle();
  };
  // The first of everything is not an idle stream's.
  await open(100);
  const before = await snapshot();
  const resident = process.memoryUsage.rss();
  await open(Math.min(total, 100 + COUNTED));
  const after = streams.length > 100 ? await snapshot() : before;
  const counted = streams.length - 100;
  await open(total);
  const bytes = (process.memoryUsage.rss() - resident) / (streams.length - 100);
  const classes = {};
  for (const [name, { objects, size }] of after) {
    const [was, held] = [before.get(name)?.objects ?? 0, before.get(name)?.size ?? 0];
    const each = (objects - was) / counted;
    if (each > 0.5) classes[name] = [round(each), round((size - held) / counted)];
  }
  const totals = Object.values(classes).reduce(([o, b], [n, s]) => [o + n, b + s], [0, 0]);
  const [objects, heapBytes] = totals.map(round);
  console.log(
    JSON.stringify({ state, streams: total, objects, heapBytes, rss: Math.round(bytes), classes }),
  );
  clients.kill();
  process.exit();
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

/** Objects and their own bytes, by class: @returns {Promise<Map<string, { objects: number, size: number }>>} */
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
    const title =
      kind === 'object' ? strings[nodes[at + name]] : `(${kind}) ${strings[nodes[at + name]]}`;
    const found = classes.get(title) ?? { objects: 0, size: 0 };
    found.objects += 1;
    found.size += nodes[at + self];
    classes.set(title, found);
  }
  return classes;
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
