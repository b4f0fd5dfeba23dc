// What every benchmark prints: the machine and the versions, then a table of medians, or with --json one line per case.
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { cwd } from "node:process";

/** A case's line. Its first keys are relied on by other programs; see README.md, "Benchmarks". */
export type Line = { readonly bench: string; readonly [key: string]: string | number | boolean };

export class Report {
  readonly #json: boolean;
  readonly #lines: Line[] = [];
  readonly #notes: string[] = [];

  constructor(options: { readonly json: boolean }) {
    this.#json = options.json;
  }

  /** `more` stands in the table only: a line of --json has the keys that were promised and no others. */
  add(line: Line, more: Readonly<Record<string, string | number | boolean>> = {}): void {
    this.#lines.push({ ...line, ...more });
    if (this.#json) console.log(JSON.stringify(line));
  }

  /** What a reader of the table must know of how this was measured. */
  note(text: string): void {
    this.#notes.push(text);
  }

  /** What is going on, for who waits. */
  progress(text: string): void {
    console.error(`bench: ${text}`);
  }

  end(): void {
    if (this.#json) return;
    console.log(machine());
    for (const lines of groups(this.#lines)) console.log(`\n${table(lines)}`);
    if (this.#notes.length > 0) console.log(`\n${this.#notes.join("\n")}`);
  }
}

function machine(): string {
  const cores = cpus();
  const memoryGiB = Math.round((totalmem() / 2 ** 30) * 10) / 10;
  const { version } = JSON.parse(readFileSync(join(cwd(), "package.json"), "utf8")) as { version: string };
  const kind = `${cores[0]?.model.trim() ?? "unknown CPU"}, ${cores.length} cores, ${memoryGiB} GiB`;
  return `${kind}, ${type()} ${release()}; Node ${process.version}, keymesh ${version}`;
}

/** Lines of one benchmark and with the same keys, each a table of its own. */
function groups(lines: readonly Line[]): Line[][] {
  return [...Map.groupBy(lines, (line) => `${line.bench} ${Object.keys(line).join()}`).values()];
}

function table(lines: readonly Line[]): string {
  const columns = Object.keys(lines[0] ?? {});
  const rows = [columns, ...lines.map((line) => columns.map((column) => String(line[column])))];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const pad = (cell: string, at: number) =>
    typeof lines[0]?.[columns[at] ?? ""] === "number" ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0);
  return rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}

/** The middle one of these, or the upper of the middle two; NaN of none. */
export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/** The least number that at least this share of them doesn't exceed; NaN of none. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
