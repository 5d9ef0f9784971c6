/** The guard of a loop in debug mode: failures are reported with the origin of their call. */
import { within } from './async-context.js';
import { Guard, type Report } from './guard.js';
import { runningOrigin, type CallOrigin } from './origins.js';

/** Runs user code, and what follows it, in the context that has its origin. */
export class DebugGuard extends Guard {
  declare readonly run: Guard['run'];
  declare readonly runHandler: Guard['runHandler'];

  constructor(report: Report) {
    super(report);
    const { run, runHandler } = this;
    this.run = (callback, args, context) => {
      within(context, () => {
        run(callback, args, context);
      });
    };
    this.runHandler = (handler, source, bits, context) => {
      within(context, () => {
        runHandler(handler, source, bits, context);
      });
    };
  }

  protected override get origin(): CallOrigin | null {
    return runningOrigin();
  }
}
