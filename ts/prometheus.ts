/**
 * The metrics of loops for Prometheus, through `prom-client` (version 15), which the program
 * installs.
 *
 * @packageDocumentation
 */
import {
  Counter,
  Gauge,
  register as defaultRegistry,
  type Metric,
  type MetricValueWithName,
  type Registry,
} from 'prom-client';
import { Snapshots, type Loops } from './exporters/loops.js';
import { BOUNDS, DISTRIBUTIONS, METRICS, type MetricRow } from './exporters/metric-table.js';
import { checkOptions } from './support/checks.js';
import { invalidArgType } from './support/errors.js';
import type { HistogramSummary } from './support/histogram.js';

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
 * are read when the registry is scraped. Distributions are histograms, without values until
 * `enableHistograms()`. Returns a function that removes the metrics from the registry.
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
  const snapshots = new Snapshots(loops);
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
  try {
    for (const row of METRICS) registered.push(registerNumber(snapshots, row, prefix, register));
    for (const row of DISTRIBUTIONS) {
      registered.push(registerDistribution(snapshots, row, prefix, register));
    }
  } catch (error) {
    end();
    throw error;
  }
  return end;
}

/** Returns the name of the metric. */
function registerNumber(
  snapshots: Snapshots,
  { name, kind, unit, help, read }: MetricRow,
  prefix: string,
  register: Registry,
): string {
  const base = `${prefix}${name}${unit === null ? '' : `_${unit}`}`;
  const labels = { help, labelNames: ['loop'] as const, registers: [register] };
  if (kind === 'gauge') {
    const gauge = new Gauge({
      ...labels,
      name: base,
      collect: () => {
        for (const [loop, metrics] of snapshots.read()) gauge.set({ loop }, read(metrics) ?? 0);
      },
    });
    return base;
  }
  const counter = new Counter({
    ...labels,
    name: `${base}_total`,
    collect: () => {
      counter.reset();
      for (const [loop, metrics] of snapshots.read()) {
        const value = read(metrics);
        if (value !== undefined) counter.inc({ loop }, value);
      }
    },
  });
  return `${base}_total`;
}

/**
 * Returns the name of the metric: an object of its own, as a `Histogram` of prom-client takes
 * observations, and these are counts.
 */
function registerDistribution(
  snapshots: Snapshots,
  { name: base, help, field }: (typeof DISTRIBUTIONS)[number],
  prefix: string,
  register: Registry,
): string {
  const name = `${prefix}${base}_seconds`;
  const type = 'histogram';
  const get = (): Promise<unknown> => {
    const values = snapshots.read().flatMap(([loop, { timings }]) => {
      return timings === null ? [] : valuesOf(name, loop, timings[field]);
    });
    return Promise.resolve({ name, help, type, values, aggregator: 'sum' });
  };
  register.registerMetric({ name, help, type, get } as unknown as Metric);
  return name;
}

function valuesOf(
  name: string,
  loop: string,
  summary: HistogramSummary,
): MetricValueWithName<string>[] {
  const bucket = (le: number | string, value: number): MetricValueWithName<string> => ({
    metricName: `${name}_bucket`,
    labels: { loop, le },
    value,
  });
  return [
    ...BOUNDS.map((bound) => bucket(bound, summary.countUntil(bound))),
    bucket('+Inf', summary.count),
    { metricName: `${name}_sum`, labels: { loop }, value: summary.sum },
    { metricName: `${name}_count`, labels: { loop }, value: summary.count },
  ];
}
