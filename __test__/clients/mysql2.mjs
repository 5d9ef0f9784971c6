// mysql2: queries, a blob of 3 MB, prepared statements, and a connection that the server kills.
import { once } from 'node:events';
import { assert, connecting, load, portOf, program } from './lib.mjs';

const mysql = load('mysql2/promise');
const port = portOf('MARIADB');
const options = { user: 'clients', password: 'clients', stream: () => connecting(port) };

await program(async () => {
  const connection = await mysql.createConnection(options);
  const [rows] = await connection.query('select 1 + 1 as sum');
  assert.equal(Number(rows[0].sum), 2);
  const blob = Buffer.alloc(3_000_000, 5);
  const [echoed] = await connection.query('select ? as bytes', [blob]);
  assert.ok(blob.equals(Buffer.from(echoed[0].bytes)));
  for (let index = 0; index < 100; index += 1) {
    const [[row]] = await connection.execute('select cast(? as char) as n', [String(index)]);
    assert.equal(String(row.n), String(index));
  }
  const admin = await mysql.createConnection(options);
  const lost = once(connection.connection, 'error').catch((error) => [error]);
  await admin.query(`kill ${connection.threadId}`);
  const [error] = await lost;
  assert.match(String(error.code), /PROTOCOL_CONNECTION_LOST|ER_CONNECTION_KILLED|4031|ECONNRESET/);
  await admin.end();
});
