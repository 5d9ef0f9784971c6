/**
 * The metrics of loops for OpenTelemetry, through `@opentelemetry/api` (version 1), which the
 * program installs.
 *
 * @packageDocumentation
 */
import { metrics as api, type Meter, type Observable } from '@opentelemetry/api';
import { checkOptions } from './support/checks.js';
import { invalidArgType } from './support/errors.js';
import { namedLoops, type Loops } from './exporters/loops.js';
import { DISTRIBUTIONS, METRICS, QUANTILES, type MetricRow } from './exporters/metric-table.js';

export type { Loops, MeasuredLoop } from './exporters/loops.js';

/** Options of {@link observeLoops}. */
export interface ObserveLoopsOptions {
  /** The meter; by default `metrics.getMeter('ioloop')` of the API. */
  readonly meter?: Meter | undefined;
}

/**
 * Makes instruments for the metrics of `loops`: an `IOLoop`, or several by name, which is the
 * attribute `loop`. They are observed when the reader of the meter collects. Returns a function that
 * ends that.
 *
 * Names are `ioloop.turns`, `ioloop.received` and so on. Distributions are gauges with the attribute
 * `quantile`, without values until `enableHistograms()`.
 *
 * @throws `ERR_INVALID_ARG_TYPE`.
 */
export function observeLoops(loops: Loops, options: ObserveLoopsOptions = {}): () => void {
  const named = namedLoops(loops);
  checkOptions(options);
  const meter = options.meter ?? api.getMeter('ioloop');
  if (typeof (meter as Partial<Meter>).addBatchObservableCallback !== 'function') {
    throw invalidArgType('meter', meter, 'a Meter of @opentelemetry/api');
  }
  const numbers = METRICS.map((row) => ({ instrument: instrumentFor(meter, row), read: row.read }));
  const distributions = DISTRIBUTIONS.map(({ name, help, field }) => ({
    instrument: meter.createObservableGauge(`ioloop.${name}`, { description: help, unit: 's' }),
    field,
  }));
  const instruments: Observable[] = [...numbers, ...distributions].map((each) => each.instrument);
  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    for (const [loop, source] of named) {
      const metrics = source.metrics();
      for (const { instrument, read } of numbers) {
        const value = read(metrics);
        if (value !== undefined) result.observe(instrument, value, { loop });
      }
      for (const { instrument, field } of distributions) {
        const summary = metrics.timings?.[field];
        if (summary === undefined) continue;
        for (const [quantile, key] of QUANTILES) {
          result.observe(instrument, summary[key], { loop, quantile });
        }
      }
    }
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => {
    meter.removeBatchObservableCallback(observe, instruments);
  };
}

function instrumentFor(meter: Meter, { name, kind, unit, help }: MetricRow): Observable {
  const options = { description: help, unit: unit === null ? '1' : UNITS[unit] };
  if (kind === 'counter') return meter.createObservableCounter(`ioloop.${name}`, options);
  return meter.createObservableUpDownCounter(`ioloop.${name}`, options);
}

/** Codes of UCUM. */
const UNITS = { bytes: 'By', seconds: 's' } as const;
