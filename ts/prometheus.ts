/**
 * The metrics of loops for Prometheus, through `prom-client` (version 15), which the program
 * installs.
 *
 * @packageDocumentation
 */
import { Counter, Gauge, register as defaultRegistry, type Registry } from 'prom-client';
import { checkOptions } from './support/checks.js';
import { namedLoops, type Loops } from './exporters/loops.js';
import { DISTRIBUTIONS, METRICS, QUANTILES } from './exporters/metric-table.js';

export type { Loops, MeasuredLoop } from './exporters/loops.js';

/** Options of {@link collectLoopMetrics}. */
export interface LoopMetricsOptions {
  /** The registry; by default that of `prom-client`. */
  readonly register?: Registry | undefined;
  /** Before the name of each metric; by default `ioloop_`. */
  readonly prefix?: string | undefined;
}

/**
 * Registers the metrics of `loops`: an `IOLoop`, or several by name, which is the label `loop`. They
 * are read when the registry is scraped. Distributions are gauges with the label `quantile`, without
 * values until `enableHistograms()`.
 *
 * ```js
 * import { register } from 'prom-client';
 * import { collectLoopMetrics } from 'ioloop/prometheus';
 *
 * collectLoopMetrics(loop);
 * console.log(await register.metrics());
 * ```
 *
 * @throws `ERR_INVALID_ARG_TYPE`; the error of `prom-client` if the registry has metrics of these
 * names. Nothing is removed then of what was registered before.
 */
export function collectLoopMetrics(loops: Loops, options: LoopMetricsOptions = {}): void {
  const named = namedLoops(loops);
  checkOptions(options);
  const { register = defaultRegistry, prefix = 'ioloop_' } = options;
  const registers = [register];
  for (const { name, kind, unit, help, read } of METRICS) {
    const base = `${prefix}${name}${unit === null ? '' : `_${unit}`}`;
    const labels = { help, labelNames: ['loop'] as const, registers };
    if (kind === 'gauge') {
      const gauge = new Gauge({
        ...labels,
        name: base,
        collect: () => {
          for (const [loop, source] of named) gauge.set({ loop }, read(source.metrics()) ?? 0);
        },
      });
    } else {
      const counter = new Counter({
        ...labels,
        name: `${base}_total`,
        collect: () => {
          counter.reset();
          for (const [loop, source] of named) {
            const value = read(source.metrics());
            if (value !== undefined) counter.inc({ loop }, value);
          }
        },
      });
    }
  }
  for (const { name, help, field } of DISTRIBUTIONS) {
    const gauge = new Gauge({
      name: `${prefix}${name}_seconds`,
      help,
      labelNames: ['loop', 'quantile'],
      registers,
      collect: () => {
        gauge.reset();
        for (const [loop, source] of named) {
          const summary = source.metrics().timings?.[field];
          if (summary === undefined) continue;
          for (const [quantile, key] of QUANTILES) gauge.set({ loop, quantile }, summary[key]);
        }
      },
    });
  }
}
