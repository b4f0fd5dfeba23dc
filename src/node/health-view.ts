// What heartbeats told this node, as `status` and `member list` show it: its clock, the alarms, how the others are.
import { explainClock } from "./clock-watch.ts";
import type { AlarmView, HeartbeatView, StatusView } from "./control.ts";
import { explainDuplicate } from "./heartbeats.ts";
import type { LastWord } from "./member-health.ts";
import type { Node } from "./node.ts";

export function healthOf(node: Node): Pick<StatusView, "clock" | "alarms"> {
  const { membered, options } = node;
  if (membered === undefined)
    return { clock: { driftMs: 0, state: "unjudged", offsetMs: null, why: null }, alarms: [] };
  const { keeper, clock, heartbeats } = membered;
  const judgement = clock.judgement();
  return {
    clock: {
      driftMs: Math.max(0, keeper.replica.instant.wallMs - options.world.now()),
      state: judgement.is,
      offsetMs: judgement.is === "unjudged" ? null : Math.round(judgement.offsetMs),
      why: explainClock(judgement),
    },
    alarms: heartbeats.duplicates().map(({ peerId, sinceMs, lastMs, toldBy }): AlarmView => {
      const name = node.nameOf(peerId);
      const what = explainDuplicate({ name, isOwn: peerId === node.identity.peerId });
      return { kind: "duplicateKey", peerId, name, sinceMs, lastMs, what, toldBy: toldBy ?? null };
    }),
  };
}

export function heartbeatView(word: LastWord | undefined): HeartbeatView | null {
  if (word === undefined) return null;
  const { keystone, version, records } = word.heartbeat;
  return { heardMs: word.heardMs, offsetMs: Math.round(word.offsetMs), keystone, version, records };
}
