// An HTTP server that Prometheus scrapes: node examples/metrics.mjs [port], and then
// curl http://127.0.0.1:8080/metrics
import { createServer } from 'node:http';
import { IOLoop, serveHttp } from 'ioloop';
import { collectLoopMetrics } from 'ioloop/prometheus';
import { register } from 'prom-client';

const loop = IOLoop.current();
loop.enableHistograms();
collectLoopMetrics(loop);

const http = createServer(async (request, response) => {
  if (request.url !== '/metrics') {
    response.end('hello\n');
    return;
  }
  response.setHeader('Content-Type', register.contentType);
  response.end(await register.metrics());
});

const server = serveHttp(http);
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1');
console.log(`metrics on http://127.0.0.1:${server.port}/metrics, port ${server.port}`);
process.once('SIGTERM', () => loop.addCallbackFromSignal(() => loop.stop()));
await loop.start();
process.exit();
