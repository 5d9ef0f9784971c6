/** The PROXY protocol in tests: headers as a balancer encodes them, and a server that shows them. */
import {
  TCPServer,
  type Address,
  type IOLoop,
  type IOStream,
  type ProxyHeader,
  type ProxyProtocolOptions,
  type TCPServerOptions,
} from 'ioloop';

/** A header of version 1. */
export const TEXT_HEADER = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n');

/** The client of all headers here. */
export const CLIENT = { host: '192.0.2.1', port: 56_324 } as const;
export const TARGET = { host: '192.0.2.2', port: 443 } as const;

/** {@link CLIENT} and {@link TARGET} as addresses of version 2. */
export const IPV4_ADDRESSES = Buffer.from('c0000201c0000202dc0401bb', 'hex');

/** `0x20` is local, `0x21` proxied; `0x11` is TCP over IPv4. */
export function binaryHeader(command: number, kind: number, rest: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(rest.length);
  return Buffer.concat([SIGNATURE, Buffer.from([command, kind]), length, rest]);
}

/** An extension of a header of version 2. */
export function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

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
