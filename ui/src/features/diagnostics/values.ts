//! Names and values of metrics as text.
import type { Limit, MetricReport, Unit } from "../../api/types";
import { bytes } from "../../i18n/format";
import { locale, t, type Key } from "../../i18n/index.svelte";

const names: Record<string, Key> = {
  "course.load": "diagnostics.name.courseLoad",
  "lesson.load": "diagnostics.name.lessonLoad",
  "assessment.load": "diagnostics.name.assessmentLoad",
  "progress.record": "diagnostics.name.progressRecord",
  "live.update": "diagnostics.name.liveUpdate",
  "database.time": "diagnostics.name.databaseTime",
  "cache.hits": "diagnostics.name.cacheHits",
  "request.time": "diagnostics.name.requestTime",
  "request.errors": "diagnostics.name.requestErrors",
  "render.time": "diagnostics.name.renderTime",
  "memory.app": "diagnostics.name.memoryApp",
  "vitals.fcp": "diagnostics.name.vitalsFcp",
  "vitals.lcp": "diagnostics.name.vitalsLcp",
  "vitals.cls": "diagnostics.name.vitalsCls",
  "vitals.inp": "diagnostics.name.vitalsInp",
};

/** The name of a metric; the technical name if it has none. */
export function metricName(name: string): string {
  const key = names[name];
  return key ? t(key) : name;
}

/** A value with its unit. */
export function metricValue(value: number, unit: Unit): string {
  const format = (options: Intl.NumberFormatOptions): string => new Intl.NumberFormat(locale(), options).format(value);
  switch (unit) {
    case "ms":
      return format({ style: "unit", unit: "millisecond", maximumFractionDigits: value < 10 ? 1 : 0 });
    case "percent":
      return format({ style: "unit", unit: "percent", maximumFractionDigits: 1 });
    case "miB":
      return bytes(value * 1024 * 1024);
    case "score":
      return format({ maximumFractionDigits: 3 });
  }
}

/** A limit with the statistic that it applies to. */
export function limitText({ statistic, value, isMinimum }: Limit, unit: Unit): string {
  const sign = isMinimum ? "≥" : "≤";
  const of = statistic === "mean" ? `${t("diagnostics.mean")} ` : statistic === "each" ? "" : `${statistic} `;
  return `${of}${sign} ${metricValue(value, unit)}`;
}

/** The report as plain text, for the clipboard. */
export function reportText(version: string, metrics: MetricReport[]): string {
  const lines = metrics.map((m) => {
    const s = m.statistics;
    const numbers = s
      ? `n=${s.count} mean=${s.mean.toFixed(2)} median=${s.median.toFixed(2)} p95=${s.p95.toFixed(2)} ` +
        `p99=${s.p99.toFixed(2)} min=${s.min.toFixed(2)} max=${s.max.toFixed(2)}`
      : "";
    return `${m.name} [${m.unit}] ${m.state} ${numbers}`.trimEnd();
  });
  return [`Carrel ${version}`, ...lines].join("\n");
}
