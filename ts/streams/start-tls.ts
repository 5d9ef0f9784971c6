/** From a stream to one with TLS. */
import * as tls from 'node:tls';
import { invalidArgValue } from '../errors.js';
import { coreOf, IOStream } from './iostream.js';
import { SSLIOStream, type StartTlsOptions } from './ssl-iostream.js';
import { TlsEndpoint } from './tls-endpoint.js';
import type { Socket } from '../socket.js';
import { isLimited, Wait } from './wait.js';

/**
 * Replaces an idle stream by one with TLS on the same connection; see `IOStream.startTls`.
 */
export async function startTls(stream: IOStream, options: StartTlsOptions): Promise<SSLIOStream> {
  const { serverSide = false, hostname } = options;
  const isVerified = options.tls?.rejectUnauthorized !== false;
  if (!serverSide && hostname === undefined && isVerified) {
    throw invalidArgValue(
      'hostname',
      hostname,
      'the name of the server, whose certificate is checked',
    );
  }
  const { endpoint, limits, callback } = coreOf(stream).moveOut();
  const { loop } = stream;
  const { maxBufferSize, readChunkSize, writer } = limits;
  const settings = {
    loop,
    maxBufferSize,
    readChunkSize,
    maxWriteBufferSize: writer.maxBufferSize,
    highWaterMark: writer.highWaterMark,
    lowWaterMark: writer.lowWaterMark,
  };
  const below = new IOStream(endpoint as unknown as Socket, { loop, allowHalfOpen: true });
  const secure = serverSide ? serve(below, options) : connect(below, options);
  const handshake = new Promise<void>((resolve, reject) => {
    secure.once(serverSide ? 'secure' : 'secureConnect', resolve);
    secure.once('error', reject);
    secure.once('close', () => {
      reject(coreOf(below).closedError());
    });
  });
  const result = new SSLIOStream(new TlsEndpoint(secure, below), handshake, settings);
  result.setCloseCallback(callback);
  const wait = isLimited(options)
    ? new Wait(loop, options, 'TLS handshake', (error) => {
        secure.destroy(error as Error);
      })
    : null;
  try {
    await handshake;
  } finally {
    wait?.done();
  }
  return result;
}

function serve(below: IOStream, options: StartTlsOptions): tls.TLSSocket {
  const settings = { ...options.tls } as tls.TLSSocketOptions;
  settings.secureContext ??= tls.createSecureContext(settings as tls.SecureContextOptions);
  return new tls.TLSSocket(below.toDuplex() as never, { ...settings, isServer: true });
}

function connect(below: IOStream, { hostname, tls: settings }: StartTlsOptions): tls.TLSSocket {
  const isName = hostname !== undefined && !/^[\d.]+$|:/.test(hostname);
  return tls.connect({
    ...(settings as tls.ConnectionOptions | undefined),
    socket: below.toDuplex(),
    ...(hostname === undefined ? {} : { host: hostname }),
    ...(isName ? { servername: hostname } : {}),
  });
}
