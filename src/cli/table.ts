// Tables for people: no borders, columns as wide as what they hold, and nothing in them that could steer the terminal.
import CliTable3 from "cli-table3";
import { visible } from "../core/visible-text.ts";

const NO_BORDERS = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"]
    .concat(["left", "left-mid", "mid", "mid-mid", "right", "right-mid"])
    .map((part) => [part, ""]),
);

/** Lines of aligned cells. Cells may come from peers: they are made visible here. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return layOut([head, ...rows]);
}

/** Label and value on each line; a value of several lines stays under itself. */
export function sheet(rows: readonly (readonly [label: string, ...values: string[]])[]): string {
  return layOut(rows.flatMap(([label, ...values]) => values.map((value, index) => [index === 0 ? label : "", value])));
}

const GAP = "  ";
const PLAIN = /^[ -~]*$/; // Printable ASCII: one column per character.

/** Pads by itself: the library's time grows with the square of the rows (20,000 projects took it 40 s, and here 0.1 s). */
function layOut(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => measured(visible(cell))));
  const widths: number[] = [];
  for (const row of cells)
    for (const [column, { width }] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width);
  const pad = ({ text, width }: Cell, column: number) => text + " ".repeat((widths[column] ?? width) - width);
  return cells.map((row) => row.map(pad).join(GAP).trimEnd()).join("\n");
}

type Cell = { readonly text: string; readonly width: number };

/** A cell with the columns it takes on a terminal: wide, combining and joined characters as cli-table3 counts them. */
function measured(text: string): Cell {
  if (PLAIN.test(text)) return { text, width: text.length };
  const alone = new CliTable3({ chars: NO_BORDERS, style: { "padding-left": 0, "padding-right": 0 } });
  alone.push([text]);
  alone.toString(); // Fills in the width.
  return { text, width: alone.options.colWidths[0] ?? text.length };
}
