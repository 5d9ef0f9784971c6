/**
 * The metrics of loops for Prometheus, through `prom-client` (version 15), which the program
 * installs.
 *
 * @packageDocumentation
 */
import { Counter, Gauge, register as defaultRegistry, type Registry } from 'prom-client';
import { namedLoops, type Loops } from './exporters/loops.js';
import { DISTRIBUTIONS, METRICS, QUANTILES, type MetricRow } from './exporters/metric-table.js';
import { checkOptions } from './support/checks.js';
import { invalidArgType } from './support/errors.js';

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
 * values until `enableHistograms()`. Returns a function that removes the metrics from the registry.
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
 * names, or the prefix makes no names. Nothing is registered then.
 */
export function collectLoopMetrics(loops: Loops, options: LoopMetricsOptions = {}): () => void {
  const named = namedLoops(loops);
  checkOptions(options);
  const { register = defaultRegistry, prefix = 'ioloop_' } = options;
  if (typeof (register as Partial<Registry> | null)?.registerMetric !== 'function') {
    throw invalidArgType('register', register, 'a Registry of prom-client');
  }
  if (typeof prefix !== 'string') throw invalidArgType('prefix', prefix, 'a string');
  const registered: string[] = [];
  const end = (): void => {
    for (const name of registered.splice(0)) register.removeSingleMetric(name);
  };
  const registers = [register];
  try {
    for (const row of METRICS) registered.push(registerNumber(named, row, prefix, registers));
    for (const row of DISTRIBUTIONS) {
      registered.push(registerDistribution(named, row, prefix, registers));
    }
  } catch (error) {
    end();
    throw error;
  }
  return end;
}

type NamedLoops = ReturnType<typeof namedLoops>;

/** Returns the name of the metric. */
function registerNumber(
  named: NamedLoops,
  { name, kind, unit, help, read }: MetricRow,
  prefix: string,
  registers: Registry[],
): string {
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
    return base;
  }
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
  return `${base}_total`;
}

/** Returns the name of the metric. */
function registerDistribution(
  named: NamedLoops,
  { name, help, field }: (typeof DISTRIBUTIONS)[number],
  prefix: string,
  registers: Registry[],
): string {
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
  return `${prefix}${name}_seconds`;
}
