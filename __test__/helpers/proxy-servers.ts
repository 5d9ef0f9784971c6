/** Servers with the option `proxyProtocol` in tests, and what they report. */
import {
  IOStream,
  Socket,
  TCPServer,
  type Address,
  type IOLoop,
  type ProxyHeader,
  type ProxyProtocolOptions,
  type TCPServerOptions,
} from 'ioloop';
import { FakeClock, onLoop, takeReports, type ReportingLoop } from './loop.js';
import { turns } from './streams.js';

/** What {@link serveViews} sends first: its view of the connection. */
export interface View {
  readonly address: Address;
  readonly header: ProxyHeader | null;
  readonly peer: Address;
}

/** A server that sends its {@link View} of each connection as a line, then echoes. */
export function serveViews(
  loop: IOLoop,
  proxyProtocol: boolean | ProxyProtocolOptions,
  options: TCPServerOptions = {},
): TCPServer {
  const handleStream = async (stream: IOStream, address: Address): Promise<void> => {
    const { proxyHeader: header, socket } = stream;
    await stream.write(`${JSON.stringify({ address, header, peer: socket?.remoteAddress })}\n`);
    for await (const chunk of stream) await stream.write(chunk);
  };
  const server = new TCPServer({ loop, handleStream, proxyProtocol, ...options });
  server.listen(0, '127.0.0.1');
  return server;
}

/** Reads the line of the server. */
export async function viewOf(client: IOStream): Promise<View> {
  return JSON.parse(String(await client.readUntil('\n'))) as View;
}

/** The codes of the reports, which are taken. */
export function reported(loop: ReportingLoop): unknown[] {
  return takeReports(loop).map(({ error }) => (error as NodeJS.ErrnoException).code);
}

/** {@link onLoop} with a clock that the test advances. */
export function onFakeTime(
  body: (loop: ReportingLoop, clock: FakeClock) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  return onLoop((loop) => body(loop, clock), { timeFunc: clock.time });
}

/** Waits until the server has as many connections. */
export async function untilConnections(server: TCPServer, count: number): Promise<void> {
  const [pacer, peer] = Socket.pair();
  const stream = new IOStream(pacer, { loop: server.loop });
  while (server.connections !== count) await turns(stream, 1);
  // Reads of a connection that has closed reject in the microtasks of that turn.
  await turns(stream, 1);
  stream.close();
  peer.close();
}
