/** Streams of loops in debug mode: they report promises and streams that the program drops. */
import { inspect } from 'node:util';
import { siteHere } from '../loop/origins.js';
import { warnFrom } from '../support/debug-warnings.js';
import * as host from '../support/host.js';
import { StreamPromises } from './stream-promises.js';
import { Stream } from './stream.js';
import type { StreamSettings } from './options.js';
import type { Moved, Sides } from './ownership.js';
import type { Transport, Writer } from './transport.js';

/** The stream of these settings; in debug mode, one that reports. @throws As the constructors. */
export function createStream(settings: StreamSettings, transport: Transport): Stream {
  return settings.loop.debug
    ? new DebugStream(settings, transport)
    : new Stream(settings, transport);
}

/** A class of its own, so that other streams have no branch for it. */
class DebugStream extends Stream {
  readonly #site = siteHere();
  /** It is about to be checked, or was reported: once for a stream. */
  #isBacklogChecked = false;
  readonly #promises = new StreamPromises((error) => this.isQuiet(error));

  constructor(settings: StreamSettings, transport: Transport) {
    super(settings, transport);
    const { reader } = this;
    const read = reader.read.bind(reader);
    reader.read = (one) => this.#promises.ofRead(one.name, read(one));
  }

  /** That of a connection of a server is where the server listens. */
  override get site(): string | null {
    return this.#site;
  }

  override onFace(face: object): void {
    faces.register(face, this);
  }

  override watchWait(call: string, promise: Promise<void>): Promise<void> {
    return this.#promises.ofWrite(call, promise);
  }

  protected override createWriter(): Writer {
    const writer = super.createWriter();
    const { write, drain, shutdown } = bound(writer);
    return Object.assign(writer, {
      write: (data: Parameters<typeof write>[0]): Promise<void> => {
        const wasCongested = writer.congested;
        const promise = this.#promises.ofWrite('write', write(data));
        if (wasCongested) this.#checkBacklog(writer);
        return promise;
      },
      drain: () => this.#promises.ofWrite('drain', drain()),
      shutdown: () => this.#promises.ofWrite('shutdownWrite', shutdown()),
    });
  }

  /** Its writer has functions of this stream, and serves no others. */
  override forgets(): boolean {
    return false;
  }

  override handOver(call: string): Moved & Sides {
    const moved = super.handOver(call);
    const { writer } = moved;
    // Those of its class again.
    if (writer !== null) for (const name of WATCHED) Reflect.deleteProperty(writer, name);
    return moved;
  }

  /** The running code may still await the write, or `drain()`. */
  #checkBacklog(writer: Writer): void {
    if (this.#isBacklogChecked || this.#promises.isAnyUsed) return;
    this.#isBacklogChecked = true;
    const site = siteHere();
    host.setImmediate(() => {
      this.#isBacklogChecked = false;
      if (this.#promises.isAnyUsed || !writer.congested || writer.isEnding) return;
      this.#isBacklogChecked = true;
      warnFrom(
        site ?? '',
        'IOLOOP_UNBOUNDED_WRITES',
        `${writer.buffered} bytes are unsent, and no write() of the stream was awaited: memory ` +
          `grows with what its peer does not read. Await write() or drain()${at('Written', site)}`,
      );
    });
  }
}

/** Public streams, and their insides. */
const faces = new FinalizationRegistry((stream: DebugStream) => {
  const { reader, unsent, site } = stream;
  // A read that waits, bytes that are still sent, or the close callback may be all that the program
  // needs.
  if (stream.closed || reader.reading || unsent > 0 || stream.hasCloseCallback) return;
  const { stateName, remoteText } = stream;
  const shown = inspect({ fd: stream.transport.peekFd(), state: stateName, remote: remoteText });
  warnFrom(
    site ?? '',
    'IOLOOP_UNCLOSED',
    `An IOStream was garbage collected, and not closed: ${shown}. Its descriptor stays open ` +
      `until its peer or its loop closes it${at('Made', site)}`,
  );
});

/** The functions of a writer whose promises are watched. */
const WATCHED = ['write', 'drain', 'shutdown'] as const;

function bound(writer: Writer): Pick<Writer, (typeof WATCHED)[number]> {
  return {
    write: writer.write.bind(writer),
    drain: writer.drain.bind(writer),
    shutdown: writer.shutdown.bind(writer),
  };
}

/** The end of a sentence, and one about a site that is known. */
function at(verb: string, site: string | null): string {
  return site === null ? '' : `. ${verb} at ${site}`;
}
