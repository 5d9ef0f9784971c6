// Bun.listen: Bun's own sockets, without Node's streams. What a peer has no room for waits in
// `socket.data`, and the socket does not read meanwhile.
const { Bun } = /** @type {any} */ (globalThis);

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(socket) {
      socket.setNoDelay(true);
    },
    data(socket, data) {
      const sent = socket.write(data);
      if (sent < data.length) keep(socket, data.subarray(sent));
    },
    drain(socket) {
      if (socket.data === undefined) return;
      const sent = socket.write(socket.data);
      if (sent < socket.data.length) return keep(socket, socket.data.subarray(sent));
      socket.data = undefined;
      socket.resume();
    },
    error() {},
  },
});
// Before memory is measured: excludes garbage.
process.on('SIGUSR2', () => Bun.gc(true));
console.log(JSON.stringify({ port: server.port }));

function keep(socket, rest) {
  socket.data = Buffer.from(rest);
  socket.pause();
}
