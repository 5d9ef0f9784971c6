// `npm start`: examples/echo-server.mjs under 1,000 real connections, or `--serve` to talk to it.
//
// The server runs in a process of its own, the connections come from another; this one shows how
// it goes and says what happened.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fail, report, showProgress } from './screen.mjs';

const USAGE = `Usage: npm start -- [options]

Runs examples/echo-server.mjs under load and says how it went.

  --connections N   connections that the load opens, 1 to 10000 (default 1000)
  --seconds N       how long the load lasts, 1 to 20 (default 5)
  --serve           no load: keep the server running until Ctrl-C
  --port N          the server's port (default 0: one that is free)
  --help            this text`;

const options = parse();
const port = number('port', options.port, 0, 65_535);
if (options.help) console.log(USAGE);
else if (options.serve) await serve();
else await drive();

/** The arguments; what is wrong with them ends the process with the usage. */
function parse() {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        serve: { type: 'boolean', default: false },
        port: { type: 'string', default: '0' },
        connections: { type: 'string', default: '1000' },
        seconds: { type: 'string', default: '5' },
      },
    });
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** Runs the server until Ctrl-C. */
async function serve() {
  const server = start('server.mjs', [String(port)]);
  const [{ port: bound }] = await once(server, 'message');
  console.log(`An echo server listens on 127.0.0.1:${bound}. Talk to it from another terminal:`);
  console.log(`\n  nc 127.0.0.1 ${bound}\n\nCtrl-C ends it.`);
  process.on('SIGINT', () => server.kill());
  process.on('SIGTERM', () => server.kill());
  await once(server, 'exit');
}

/** Drives the server with many connections and reports. */
async function drive() {
  const connections = number('connections', options.connections, 1, 10_000);
  const seconds = number('seconds', options.seconds, 1, 20);
  const server = start('server.mjs', [String(port)]);
  const [{ port: bound, driver, backend }] = await once(server, 'message');
  console.log(
    `server: examples/echo-server.mjs on 127.0.0.1:${bound} (${backend}, ${driver} driver)`,
  );

  const load = start('load.mjs', [String(bound), String(connections), String(seconds)]);
  const done = showProgress(seconds);
  const result = await outcome(load, done.update);
  done.end();

  server.send('usage');
  const [usage] = await once(server, 'message');
  server.kill();
  report({ ...result, ...usage, connections });
  if (result.lost > 0 || result.opened < connections) process.exitCode = 1;
}

/** The result of the load process; its progress goes to `update`. */
function outcome(load, update) {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => fail('The load did not end in time.', load), 25_000);
    load.on('message', (message) => {
      if (!message.done) update(message);
      else resolve(message);
    });
    load.on('exit', (code) => {
      clearTimeout(deadline);
      reject(new Error(`the load process ended with code ${code} before it was done`));
    });
  });
}

function start(file, args) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args);
  process.on('exit', () => child.kill());
  return child;
}

function number(name, text, least, most) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  console.error(`--${name} is ${text}, and has to be a whole number from ${least} to ${most}.`);
  process.exit(1);
}
