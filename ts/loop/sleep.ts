/**
 * The sleep of a loop between two turns: what wakes it, and how long it pauses after a failure.
 *
 * | Sleep | The driver watches | Woken by |
 * | --- | --- | --- |
 * | {@link Sleep.begin} | yes | the driver: a source is ready, or the alarm; where the core has no alarm, the host's timer |
 * | {@link Sleep.pause} | no | the host's timer |
 *
 * Work that is added ends both. A pause doubles with each turn that fails, from 10 ms to a second.
 */
import type { NativeLoop } from '../boundary/native-loop.js';
import { HostTimer } from '../support/host-timer.js';
import { monotonic } from '../support/host.js';
import type { TurnOptions } from './turn.js';

/** Milliseconds. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1_000;

/** Its owner, which runs the turns, begins and ends it. */
export class Sleep {
  readonly #core: NativeLoop;
  readonly #options: TurnOptions;
  readonly #timer: HostTimer;
  /** Milliseconds of the last pause; 0 after a turn that did not fail. */
  #backOff = 0;
  /** When the pause ends, by the host's clock; `null` outside of a pause. */
  #resumeAt: number | null = null;
  /** The driver does not watch: from the first pause to the next {@link begin}. */
  #isParked = false;

  /** `onTimer` is called when the host's timer ends the sleep. */
  constructor(core: NativeLoop, options: TurnOptions, onTimer: () => void) {
    this.#core = core;
    this.#options = options;
    this.#timer = new HostTimer(onTimer);
  }

  /** Whether wake-ups of the driver are ignored: the selector stays readable during a pause. */
  get isPause(): boolean {
    return this.#resumeAt !== null;
  }

  /** The driver was started, and watches. */
  onDriverStart(): void {
    this.#isParked = false;
  }

  /**
   * Sleeps after a turn that has left nothing to do. A crossing, if anything has changed. `now` is the
   * time in seconds, or NaN if it is not known yet.
   */
  begin(now: number): void {
    // The thread driver watches for one event: each sleep is a crossing.
    const isThread = this.#options.driver === 'thread';
    if (isThread || this.#isParked || this.#core.submissions.needsAlarm) this.prepare(now);
  }

  /** Sleeps after a turn that has failed. */
  pause(): void {
    this.#backOff = Math.min(Math.max(2 * this.#backOff, FIRST_PAUSE), LONGEST_PAUSE);
    this.#resumeAt = monotonic() + this.#backOff;
    this.#isParked = true;
    this.prepare();
  }

  /** Hands the submissions over, and sets the alarm; again after timeouts were added meanwhile. */
  prepare(given = Number.NaN): void {
    let wait: number;
    try {
      // The clock may be the user's, and add a timeout: it is read before the submissions.
      const now = Number.isNaN(given) ? this.#options.time() : given;
      wait = this.isPause ? this.#core.park(now) : this.#core.sleep(now);
      if (!this.isPause) this.#isParked = false;
    } catch (error) {
      this.#options.guard.report(null, error);
      wait = LONGEST_PAUSE;
    }
    if (this.#resumeAt !== null) wait = Math.min(wait, this.#resumeAt - monotonic());
    if (wait !== Number.POSITIVE_INFINITY) this.#timer.set(wait);
  }

  /** The host's timer is not to end the sleep any more. */
  cancelTimer(): void {
    this.#timer.clear();
  }

  /** A turn begins. */
  end(): void {
    this.#timer.clear();
    this.#resumeAt = null;
  }

  /** A turn has not failed: the next pause is the shortest. */
  forgetFailures(): void {
    this.#backOff = 0;
  }
}
