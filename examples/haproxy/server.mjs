// One of the servers behind HAProxy. SIGTERM takes it out without a failed request:
//
//   1. /health answers 503. Requests are served as before.
//   2. HAProxy has seen enough of them, and sends no more requests.
//   3. The server stops listening, finishes the requests that it has, and exits.
//
//   node examples/haproxy/server.mjs 8081 [host]
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { IOLoop, serveHttp } from 'ioloop';

const [port = '8081', host = '127.0.0.1'] = process.argv.slice(2);

/** `fall` of haproxy.cfg: failed checks after which HAProxy sends no more requests. */
const FALL = 2;
/** Seconds that a shutdown waits for the balancer, which may be gone, and then for the requests. */
const NOTICE = 10;
const DRAIN = 10;

let isDraining = false;
let failedChecks = 0;
let onNotice;
/** Resolves when HAProxy sends no more requests. */
const noticed = new Promise((resolve) => {
  onNotice = resolve;
});

const http = createServer(async (request, response) => {
  const isCheck = request.url === '/health';
  // Some work, so that requests are in progress at any time.
  if (!isCheck) await sleep(5);
  // Connections that the balancer keeps end with their next response.
  if (isDraining) response.setHeader('connection', 'close');
  if (isCheck) answerCheck(response);
  else response.end(`${request.socket.remoteAddress} ${process.pid}\n`);
});

function answerCheck(response) {
  response.writeHead(isDraining ? 503 : 200).end();
  if (!isDraining) return;
  failedChecks += 1;
  // Checks follow one another: at the one after FALL, HAProxy has acted upon those before. Where
  // several balancers check, wait for the time of FALL checks of the slowest.
  if (failedChecks > FALL) onNotice();
}

const server = serveHttp(http, { proxyProtocol: { trust: ['127.0.0.0/8'] } });

process.once('SIGTERM', async () => {
  isDraining = true;
  await Promise.race([noticed, sleep(NOTICE * 1000, undefined, { ref: false })]);
  await server.stop({ drain: true, timeout: DRAIN });
  IOLoop.current().stop();
});

try {
  server.listen(port, host, { backlog: 1024 });
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
console.log(`http://${host}:${server.port}/`);
await IOLoop.current().start();
