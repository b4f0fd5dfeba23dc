// What heartbeats told this node, as `status` and `member list` show it: its clock, the alarms, how the others are.
import { rosterCandidates } from "../core/membership.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Replica } from "../core/replica.ts";
import { CONTROL_SET } from "../core/set-name.ts";
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
    alarms: [
      ...heartbeats.duplicates().map(({ peerId, sinceMs, lastMs, toldBy }): AlarmView => {
        const name = node.nameOf(peerId);
        const what = explainDuplicate({ name, isOwn: peerId === node.identity.peerId });
        return { kind: "duplicateKey", peerId, name, sinceMs, lastMs, what, toldBy: toldBy ?? null };
      }),
      ...rivalAlarms(keeper.replica, (peerId) => node.nameOf(peerId)),
    ],
  };
}

/** Rosters with a majority beside the one that stands here, until this node's operator says which to follow. */
export function rivalAlarms(replica: Replica, nameOf: (peerId: PeerId) => string): AlarmView[] {
  const { membership, followedRosters } = replica;
  const open = membership.alarms.filter(({ standing }) => !followedRosters.has(standing));
  if (open.length === 0) return [];
  const candidates = rosterCandidates(replica.set(CONTROL_SET)?.records() ?? []);
  return open.flatMap(({ standing, rival, signedBoth }) => {
    const signers = [...(candidates.get(rival)?.signers ?? [])];
    const times = signers.map(([, { wallMs }]) => wallMs);
    const peerId = signedBoth[0] ?? signers[0]?.[0];
    if (peerId === undefined) return [];
    const both = signedBoth.length === 0 ? "" : `, and ${signedBoth.map(nameOf).join(" and ")} signed both`;
    const [here, there] = [standing.slice(0, 12), rival.slice(0, 12)];
    const what = `roster ${there} has a majority beside ${here}, which stands here${both}: other clouds may follow it. keymesh mesh history shows both, keymesh mesh follow ${here} or ${there} ends this`;
    const name = nameOf(peerId);
    return [
      {
        kind: "rivalRoster",
        peerId,
        name,
        sinceMs: Math.min(...times),
        lastMs: Math.max(...times),
        what,
        toldBy: null,
      },
    ];
  });
}

export function heartbeatView(word: LastWord | undefined): HeartbeatView | null {
  if (word === undefined) return null;
  const { keystone, version, records } = word.heartbeat;
  return { heardMs: word.heardMs, offsetMs: Math.round(word.offsetMs), keystone, version, records };
}
