// Bun.listen: Bun's own sockets, without Node's streams.
const { Bun } = /** @type {any} */ (globalThis);

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(socket) {
      socket.setNoDelay(true);
    },
    data(socket, data) {
      socket.write(data);
    },
    error() {},
  },
});
// Before memory is measured: excludes garbage.
process.on('SIGUSR2', () => Bun.gc(true));
console.log(JSON.stringify({ port: server.port }));
