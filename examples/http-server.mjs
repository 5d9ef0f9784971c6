// Node's own HTTP server on connections of the loop. Express, Fastify and ws work on it unchanged.
//
//   node examples/http-server.mjs 8080
//   curl http://127.0.0.1:8080/
import { createServer } from 'node:http';
import { IOLoop, serveHttp } from 'ioloop';

const http = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end(`hello, ${request.socket.remoteAddress}\n`);
});

const server = serveHttp(http);
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', { backlog: 1024 });
console.log(`http://127.0.0.1:${server.port}/`);
await IOLoop.current().start();
