/** The findings as text for people, and as JSON for programs. */
import { isDrift, type Finding, type Level } from "./findings.ts";

/** What `terwayctl audit --json` prints. */
export interface AuditReport {
  /** RFC 3339, UTC: the API server's time of the last look. */
  readonly at: string;
  readonly drift: number;
  readonly underWay: number;
  readonly kept: number;
  /** How much was compared. */
  readonly compared: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

export function toReport(
  findings: readonly Finding[],
  look: { readonly nowMs: number; readonly compared: Readonly<Record<string, number>> },
): AuditReport {
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
  return {
    at: new Date(look.nowMs).toISOString(),
    drift: findings.filter(isDrift).length,
    underWay: count("underWay"),
    kept: count("kept"),
    compared: look.compared,
    findings,
  };
}

const words: Readonly<Record<Level, string>> = { drift: "DRIFT", underWay: "under way", kept: "kept" };

/** A table, a line for each finding, and what they come to in the last line. */
export function renderReport(report: AuditReport): string {
  const rows = report.findings.map(({ level, kind, subject, detail, remedy }) => [
    words[level],
    kind,
    subject,
    `${detail} → ${remedy}`,
  ]);
  const table = rows.length === 0 ? [] : [["", "WHAT", "WHERE", "DIFFERENCE → REMEDY"], ...rows];
  const compared = Object.entries(report.compared)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
  const sum = `${report.drift} drift, ${report.underWay} under way, ${report.kept} kept; compared ${compared}`;
  return [...alignColumns(table), sum, ""].join("\n");
}

/** All columns but the last are as wide as their widest cell. */
function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  "),
  );
}
