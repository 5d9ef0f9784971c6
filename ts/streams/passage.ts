/**
 * A flow from socket to socket while the core moves it.
 *
 * | State | Bytes to read of the source, room of the sink | The pipe | Next |
 * | ----- | ---------------------------------------------- | -------- | ---- |
 * | lent  | are the core's: the source is not readable, and its sink sends nothing | the core's | ended: EOF, a failure, an urgent mark, by a report of the source; a write to the sink, or its end; the end of a registration; a tenth of a second without a flow |
 * | ended | are those of the transport and the writer again | the writer's if it has bytes, or else spare | |
 */
import { CorePassage } from '../boundary/passages.js';
import type { Pipe } from '../boundary/pipes.js';
import type { Lease, LoopIO } from '../loop/io.js';
import type { IOLoop } from '../loop/ioloop.js';
import type { Timeout } from '../loop/timeouts.js';
import type { FdTransport } from './fd-transport.js';
import type { FdWriter } from './writer.js';

/** What a passage has left in its pipe: the sink sends it. */
export class Rest {
  readonly count: number;
  readonly written: Promise<void>;

  constructor(count: number, written: Promise<void>) {
    this.count = count;
    this.written = written;
  }
}

/** The read that began a passage. */
export interface PassageEvents {
  /** The sink has taken bytes. May run user code, a setter of the counts. */
  onSent(count: number): void;
  /** It has ended: the source is readable, perhaps. */
  onEnded(rest: Rest | null): void;
}

/** The two sides of a flow. */
export interface Flow {
  readonly loop: IOLoop;
  readonly io: LoopIO;
  readonly source: FdTransport;
  readonly sink: FdTransport;
  /** That of the sink. */
  readonly writer: FdWriter;
}

/** One flow. */
export class Passage implements Lease {
  readonly source: FdTransport;
  readonly sink: FdTransport;
  readonly #flow: Flow;
  readonly #pipe: Pipe;
  readonly #core: CorePassage;
  readonly #events: PassageEvents;
  #timer: Timeout | null = null;
  /** Bytes since the last look of the timer. */
  #recent = 0;
  /** Bytes that the read has not counted. */
  #unannounced = 0;
  #isEnded = false;

  private constructor(flow: Flow, pipe: Pipe, core: CorePassage, events: PassageEvents) {
    this.#flow = flow;
    this.source = flow.source;
    this.sink = flow.sink;
    this.#pipe = pipe;
    this.#core = core;
    this.#events = events;
  }

  /**
   * Lends a flow to the core: `null`, and nothing has changed, if one of the sockets cannot be lent. The pipe
   * has bytes for which the sink was full, or none.
   */
  static begin(flow: Flow, pipe: Pipe, events: PassageEvents): Passage | null {
    const { loop, io, source, sink, writer } = flow;
    const ends = [source.lendable, sink.lendable] as const;
    if (ends[0] < 0 || ends[1] < 0) return null;
    const { readable } = source;
    const core = CorePassage.begin(io.sources.handle, ends, pipe, readable, io.capacities);
    if (core === null) return null;
    const passage = new Passage(flow, pipe, core, events);
    source.lend();
    sink.lend();
    source.leaveReadable();
    writer.lend();
    // There is more to move, and no event for it.
    if (readable && pipe.held === 0) source.continueLater();
    io.beginLease(passage);
    passage.#timer = loop.callLater(PERIOD, passage.#look);
    return passage;
  }

  sync(): void {
    if (this.#isEnded) return;
    this.#core.report();
    this.#count(0);
  }

  /** {@link sync}, also for the read. */
  announce(): void {
    this.sync();
    this.#announceSent();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { loop, io, source, writer } = this.#flow;
    if (this.#timer !== null) loop.removeTimeout(this.#timer);
    io.endLease(this);
    this.#core.end();
    const pipe = this.#pipe;
    this.#count(pipe.sinkFailure);
    const { held } = pipe;
    source.takeBack(pipe.failure);
    const written = writer.takeBack(pipe);
    this.#events.onEnded(written === null ? null : new Rest(held, written));
    this.#announceSent();
  }

  /** Counts what the core has reported. */
  #count(sinkFailure: number): void {
    const { taken, sent } = this.#core;
    this.#recent += sent;
    this.#unannounced += sent;
    this.source.countReceived(taken);
    this.#flow.writer.onPassed(sent, sinkFailure);
  }

  /** Last: it may run user code. */
  #announceSent(): void {
    const sent = this.#unannounced;
    this.#unannounced = 0;
    if (sent > 0) this.#events.onSent(sent);
  }

  /** An idle connection has no pipe. */
  readonly #look = (): void => {
    this.#timer = null;
    this.announce();
    if (this.#isEnded) return;
    if (this.#recent < LEAST) {
      this.end();
      return;
    }
    this.#recent = 0;
    this.#timer = this.#flow.loop.callLater(PERIOD, this.#look);
  };
}

/** Seconds between two looks, after which counts are up to date. */
const PERIOD = 0.1;
/** Bytes of a period that make a flow. */
const LEAST = 64 * 1024;
