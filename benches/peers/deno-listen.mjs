// Deno.listen: an async function for each connection.
const { Deno } = /** @type {any} */ (globalThis);

const listener = Deno.listen({ hostname: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ port: listener.addr.port }));
for await (const connection of listener) {
  connection.setNoDelay(true);
  void serve(connection);
}

async function serve(connection) {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) break;
      for (let sent = 0; sent < count;)
        sent += await connection.write(buffer.subarray(sent, count));
    }
  } catch {
    // A reset ends the connection, as EOF does.
  }
  connection.close();
}
