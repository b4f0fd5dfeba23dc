// What a node refused, in `keymesh status`: who sent it, why it was refused, how often, and who is kept out for it.
import type { StatusView } from "../node/control.ts";
import { table } from "./table.ts";
import { ago, counted, line, shortPeer } from "./words.ts";

const ROWS_MAX = 20; // The most first: `--json` has all.
const KNOCKS_SHOWN = 5;

export function refusalsText({ rejections, struck, knocks }: StatusView, nowMs: number): string {
  const out = struck.map(({ name, peerId, untilMs }) => {
    const minutes = Math.max(1, Math.ceil((untilMs - nowMs) / 60_000));
    return line`${name} (${peerId}) kept sending what is no message: its connections are refused for ${minutes} min`;
  });
  const rows = [
    ...rejections
      .slice(0, ROWS_MAX)
      .map(({ peerId, name, code, count, lastMs, why, via }) => [
        `${name} ${shortPeer(peerId)}`,
        code,
        String(count),
        ago(lastMs, nowMs),
        via === peerId || via === "" ? why : `${why} (last through ${shortPeer(via)})`,
      ]),
    ...knocks.slice(0, KNOCKS_SHOWN).map(({ peerId, count, lastMs }) => {
      const why = "was refused at the connection, as nobody admitted it (keymesh member pending)";
      return [shortPeer(peerId), "NOT_ADMITTED", String(count), ago(lastMs, nowMs), why];
    }),
  ];
  if (rows.length === 0) return out.join("\n");
  const more = Math.max(0, rejections.length - ROWS_MAX) + Math.max(0, knocks.length - KNOCKS_SHOWN);
  const left = more === 0 ? "" : `\nand ${counted(more, "more line")}: --json has all`;
  const head = ["PEER", "CODE", "COUNT", "LAST", "WHY"];
  return [...out, `Refused from peers since this node's start:\n${table(head, rows)}${left}`].join("\n");
}
