/** The metrics of loops through the real packages: prom-client and OpenTelemetry. */
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import test from 'ava';
import { IOLoop } from 'ioloop';
import { observeLoops } from 'ioloop/opentelemetry';
import { collectLoopMetrics } from 'ioloop/prometheus';
import { Gauge, Registry } from 'prom-client';
import { runTurns, withLoop } from './helpers/loop.js';

/** The value of one line of the text format. */
function valueOf(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

test('prom-client scrapes what the loop counts, and its state', (t) =>
  withLoop(async (loop) => {
    const register = new Registry();
    collectLoopMetrics(loop, { register });
    loop.addTimeout({ hours: 1 }, () => {});
    await runTurns(loop, 3);
    const first = await register.metrics();
    t.is(valueOf(first, 'ioloop_turns_total{loop="main"}'), 3);
    t.is(valueOf(first, 'ioloop_timers_pending{loop="main"}'), 1);
    t.is(valueOf(first, 'ioloop_received_bytes_total{loop="main"}'), 0);
    t.regex(first, /^# HELP ioloop_turns_total Turns$/m);
    t.regex(first, /^# TYPE ioloop_turns_total counter$/m);
    t.regex(first, /^# TYPE ioloop_timers_pending gauge$/m);
    t.notRegex(first, /_bucket|ioloop_busy_seconds_total\{/);
    await runTurns(loop, 2);
    t.is(valueOf(await register.metrics(), 'ioloop_turns_total{loop="main"}'), 5);
  }));

test('prom-client scrapes distributions once they are measured, and names of loops', (t) =>
  withLoop(async (loop) => {
    const other = new IOLoop({ makeCurrent: false });
    const register = new Registry();
    collectLoopMetrics({ first: loop, second: other }, { register, prefix: 'app_' });
    loop.enableHistograms();
    await runTurns(loop);
    const text = await register.metrics();
    t.is(valueOf(text, 'app_turn_length_seconds_bucket{loop="first",le="+Inf"}'), 1);
    t.is(valueOf(text, 'app_turn_length_seconds_count{loop="first"}'), 1);
    t.true(valueOf(text, 'app_turn_length_seconds_sum{loop="first"}') > 0);
    t.true(valueOf(text, 'app_busy_seconds_total{loop="first"}') > 0);
    t.notRegex(text, /app_turn_length_seconds_\w+\{loop="second"/);
    t.is(valueOf(text, 'app_turns_total{loop="second"}'), 0);
    loop.disableHistograms();
    t.notRegex(await register.metrics(), /_bucket/);
    other.close();
  }));

test('the metrics of prom-client can be removed, and registered for other loops', async (t) => {
  const [first, second] = [1, 2].map(() => new IOLoop({ makeCurrent: false })) as [IOLoop, IOLoop];
  const register = new Registry();
  const other = new Gauge({ name: 'other', help: 'Another', registers: [register] });
  const end = collectLoopMetrics({ first }, { register });
  end();
  end();
  t.deepEqual(register.getMetricsAsArray(), [other]);
  collectLoopMetrics({ second }, { register });
  t.regex(await register.metrics(), /ioloop_turns_total\{loop="second"\} 0/);
  first.close();
  second.close();
});

test('a name of prom-client that is taken: nothing is registered', (t) =>
  withLoop((loop) => {
    const register = new Registry();
    const taken = new Gauge({ name: 'ioloop_streams', help: 'Mine', registers: [register] });
    t.throws(() => collectLoopMetrics(loop, { register }), { message: /ioloop_streams/ });
    t.deepEqual(register.getMetricsAsArray(), [taken]);
    t.throws(() => collectLoopMetrics(loop, { register, prefix: 'not a name' }));
    t.deepEqual(register.getMetricsAsArray(), [taken]);
  }));

test('a scrape of a closed loop has its last values', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const register = new Registry();
  collectLoopMetrics(loop, { register });
  await runTurns(loop, 2);
  loop.close();
  t.is(valueOf(await register.metrics(), 'ioloop_turns_total{loop="main"}'), 2);
});

test('exporters refuse values that are neither a registry nor a meter', (t) =>
  withLoop((loop) => {
    const code = 'ERR_INVALID_ARG_TYPE';
    for (const options of [{ register: 5 }, { register: null }, { prefix: 5 }]) {
      t.throws(() => collectLoopMetrics(loop, options as never), { code });
    }
    t.throws(() => observeLoops(loop, { meter: 5 as never }), { code });
  }));

test('one scrape reads each loop once', (t) =>
  withLoop(async (loop) => {
    const register = new Registry();
    const reads: unknown[] = [];
    const main = {
      metrics: () => {
        const metrics = loop.metrics();
        reads.push(metrics);
        return metrics;
      },
    };
    collectLoopMetrics({ main }, { register });
    await register.metrics();
    t.is(reads.length, 1);
    await register.metrics();
    t.is(reads.length, 2);
  }));

test('buckets are cumulative, and the sum is that of the turns', (t) =>
  withLoop(async (loop) => {
    const register = new Registry();
    collectLoopMetrics(loop, { register });
    loop.enableHistograms();
    await runTurns(loop, 50);
    const text = await register.metrics();
    const buckets = text
      .split('\n')
      .filter((line) => line.startsWith('ioloop_turn_length_seconds_b'));
    const counts = buckets.map((line) => Number(line.split(' ')[1]));
    t.true(counts.length > 10);
    t.deepEqual(
      counts,
      counts.toSorted((one, other) => one - other),
    );
    // Of short turns a sample is measured, which stands for the others of its block of 32 at most.
    t.true(Math.abs((counts.at(-1) as number) - 50) < 32, text);
    const sum = valueOf(text, 'ioloop_turn_length_seconds_sum{loop="main"}');
    t.true(sum > 0 && sum === loop.metrics().timings?.turnLength.sum);
  }));

test('a closed loop, a cleared registry and a second one are scraped', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  await runTurns(loop, 2);
  const [first, second] = [new Registry(), new Registry()];
  for (const register of [first, second]) collectLoopMetrics(loop, { register });
  t.throws(() => collectLoopMetrics(loop, { register: first }), { message: /already/ });
  first.clear();
  t.is((await first.metrics()).trim(), '');
  collectLoopMetrics(loop, { register: first });
  loop.close();
  for (const register of [first, second]) {
    t.is(valueOf(await register.metrics(), 'ioloop_turns_total{loop="main"}'), 2);
  }
});

test('names, types and labels follow the conventions of Prometheus', (t) =>
  withLoop(async (loop) => {
    const register = new Registry();
    collectLoopMetrics(loop, { register });
    loop.enableHistograms();
    await runTurns(loop);
    const lines = (await register.metrics()).split('\n').filter((line) => line !== '');
    const types = new Map<string, string>();
    const helped = new Set<string>();
    for (const line of lines) {
      const [mark, word, name = '', type = ''] = line.split(' ');
      if (mark === '#' && word === 'TYPE') types.set(name, type);
      else if (mark === '#') helped.add(name);
    }
    t.deepEqual([...types.keys()], [...helped]);
    for (const [name, type] of types) {
      t.regex(name, /^ioloop_[a-z_]+$/);
      t.is(name.endsWith('_total'), type === 'counter', name);
      t.notRegex(name, /_(count|sum|bucket|info)(_|$)/);
      t.notRegex(name, /milli|micro|nano|_ms|kilo|mega/);
    }
    // As `promtool check metrics`: these labels belong to these types.
    for (const line of lines.filter((each) => !each.startsWith('#'))) {
      const name = line.slice(0, line.indexOf('{'));
      t.regex(line, /^[a-z_]+\{loop="main"(,le="[^"]+")?\} \S+$/);
      if (line.includes(',le=')) t.is(types.get(name.replace(/_bucket$/, '')), 'histogram');
    }
  }));

test('OpenTelemetry observes the same, until it is ended', (t) =>
  withLoop(async (loop) => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = new MeterProvider({ readers: [reader] });
    let reads = 0;
    const web = {
      metrics: () => {
        reads += 1;
        return loop.metrics();
      },
    };
    const end = observeLoops({ web }, { meter: provider.getMeter('test') });
    loop.enableHistograms();
    loop.addTimeout({ hours: 1 }, () => {});
    await runTurns(loop, 4);
    await provider.forceFlush();
    const collected = (exporter.getMetrics().at(-1)?.scopeMetrics ?? []).flatMap((s) => s.metrics);
    const find = (name: string) => collected.find(({ descriptor }) => descriptor.name === name);
    t.like(find('ioloop.turns')?.dataPoints[0], { value: 4, attributes: { loop: 'web' } });
    t.is(find('ioloop.turns')?.descriptor.description, 'Turns');
    t.is(find('ioloop.received')?.descriptor.unit, 'By');
    t.is(find('ioloop.timers_pending')?.dataPoints[0]?.value, 1);
    t.is(find('ioloop.turn_length')?.dataPoints.length, 4);
    t.is(reads, 1);
    end();
    await provider.forceFlush();
    await provider.shutdown();
    t.is(reads, 1);
  }));

test('what is not a loop is refused', (t) => {
  for (const wrong of [null, {}, { main: 1 }, 'loop']) {
    const loops = wrong as unknown as IOLoop;
    t.throws(() => collectLoopMetrics(loops, { register: new Registry() }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    t.throws(() => observeLoops(loops), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});
