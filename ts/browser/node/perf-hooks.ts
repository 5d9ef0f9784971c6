/** `node:perf_hooks`: the clock of the browser. */
import { absent } from '../absent.js';

const idle = { active: 0, idle: 0, utilization: 0 };

const clock = globalThis.performance;

export const performance = {
  now: clock.now.bind(clock),
  timeOrigin: clock.timeOrigin,
  /** A browser does not say how long it is idle. */
  eventLoopUtilization: (): typeof idle => idle,
};

export default { createHistogram: absent('perf_hooks.createHistogram()') };
