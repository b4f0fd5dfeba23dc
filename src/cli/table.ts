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

function layOut(rows: readonly (readonly string[])[]): string {
  const laidOut = new CliTable3({
    chars: { ...NO_BORDERS, middle: "  " },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
  });
  for (const row of rows) laidOut.push(row.map(visible));
  return laidOut
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
