/** The modules of Node that browsers lack. What they export throws `ERR_IOLOOP_UNSUPPORTED` when used. */
import { absent } from '../absent.js';

export const fork = absent('child_process.fork()');
export const spawn = absent('child_process.spawn()');

export const EventEmitter = absent('An EventEmitter');

export const chmodSync = absent('fs.chmodSync()');
export const closeSync = absent('fs.closeSync()');
export const existsSync = absent('fs.existsSync()');
export const fstatSync = absent('fs.fstatSync()');
export const lstatSync = absent('fs.lstatSync()');
export const openSync = absent('fs.openSync()');
export const readFileSync = absent('fs.readFileSync()');
export const readSync = absent('fs.readSync()');
export const readdirSync = absent('fs.readdirSync()');
export const unlinkSync = absent('fs.unlinkSync()');

export const dirname = absent('path.dirname()');
export const isAbsolute = absent('path.isAbsolute()');
export const join = absent('path.join()');

export const Duplex = absent('A stream of node:stream');

export const Server = absent('tls.Server');
export const connect = absent('tls.connect()');
export const createSecureContext = absent('tls.createSecureContext()');
export const createServer = absent('tls.createServer()');

export const fileURLToPath = absent('url.fileURLToPath()');
export const pathToFileURL = absent('url.pathToFileURL()');

export const DefaultSerializer = absent('v8.Serializer');
export const deserialize = absent('v8.deserialize()');
export const serialize = absent('v8.serialize()');

/** Of `node:module` and `node:v8`, whose other functions are optional for this package. */
export default {
  createRequire: () => absent('require()'),
};
