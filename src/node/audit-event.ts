// A note as a CADF event (DMTF DSP0262 1.0.0): the initiator is the cloud that it goes back to, the observer this node, the
// target the project, the reason the signed entry. Named as Keystone's own events are, so that one reader takes both.
import type { AuditNote, AuditWord } from "./audit-note.ts";

export const CADF_EVENT_TYPE = "http://schemas.dmtf.org/cloud/audit/1.0/event";
const NODE_TYPE = "service/security";

export type CadfResource = {
  readonly id: string;
  readonly typeURI: string;
  readonly name?: string;
  readonly domain?: string;
};
export type CadfAttachment = { readonly name: string; readonly typeURI: string; readonly content: unknown };
export type CadfEvent = {
  readonly typeURI: typeof CADF_EVENT_TYPE;
  readonly id: string;
  /** `activity`: a change of a project. `control`: what was decided about one, or refused. */
  readonly eventType: "activity" | "control";
  /** ISO 8601, in UTC. */
  readonly eventTime: string;
  readonly action: string;
  readonly outcome: AuditNote["outcome"];
  readonly initiator: CadfResource;
  readonly observer: CadfResource;
  readonly target: CadfResource;
  /** The entry by its hash, under the policy of its set; or why something was held or refused, in words. */
  readonly reason: {
    readonly reasonType: string;
    readonly reasonCode: string;
    readonly policyType?: string;
    readonly policyId?: string;
  };
  readonly requestPath?: string;
  readonly attachments: readonly CadfAttachment[];
};
/** Whose audit it is, and what people call its peers. */
export type AuditNames = { readonly self: string; nameOf(peerId: string): string };

export function cadfEvent(note: AuditNote, { self, nameOf }: AuditNames): CadfEvent {
  const node = (id: string): CadfResource => ({ id, typeURI: NODE_TYPE, name: nameOf(id) });
  const isActivity = note.way === "captured" || note.way === "applied" || note.way === "inserted";
  const { target } = note;
  return {
    typeURI: CADF_EVENT_TYPE,
    id: note.id,
    eventType: isActivity ? "activity" : "control",
    eventTime: cadfTime(note.atMs),
    action: `${note.action}.${target.kind}`,
    outcome: note.outcome,
    initiator: node(note.initiator),
    observer: node(self),
    target: {
      id: target.id,
      typeURI: TARGET_TYPES[target.kind] ?? "data/security",
      ...(target.name === undefined ? {} : { name: target.name }),
      ...(target.domainId === undefined ? {} : { domain: target.domainId }),
    },
    reason: reasonOf(note),
    ...(isActivity ? { requestPath: `${target.kind === "domain" ? "/v3/domains" : "/v3/projects"}/${target.id}` } : {}),
    attachments: attachmentsOf(note),
  };
}

const TARGET_TYPES: Readonly<Record<string, string>> = {
  project: "data/security/project",
  domain: "data/security/domain",
  hold: "data/workload/hold",
  keystone: NODE_TYPE,
  node: NODE_TYPE,
  audit: "data/log",
};

/** The reason is one entry; where several fields came from several, the latest, and all are attached. */
function reasonOf({ words = [], target, way, action, why }: AuditNote): CadfEvent["reason"] {
  const [word] = words;
  if (word !== undefined)
    return { reasonType: "keymesh/entry", reasonCode: word.hash, policyType: "keymesh/set", policyId: word.set };
  const set = target.set === undefined ? {} : { policyType: "keymesh/set", policyId: target.set };
  return { reasonType: `keymesh/${way}`, reasonCode: target.name ?? why ?? action, ...set };
}

function attachmentsOf({ way, fields, words = [], why, objects, count, firstMs, via }: AuditNote): CadfAttachment[] {
  const attached: [string, unknown][] = [
    ["way", way],
    ["fields", fields],
    ["entries", words.length === 0 ? undefined : words.map(wordContent)],
    ["why", why],
    ["objects", objects],
    ["count", count],
    ["since", firstMs === undefined ? undefined : cadfTime(firstMs)],
    ["via", via],
  ];
  return attached.flatMap(([name, content]) =>
    content === undefined
      ? []
      : [{ name, typeURI: typeof content === "object" ? "application/json" : "text/plain", content }],
  );
}

function wordContent({ hash, set, wallMs, counter, origin }: AuditWord): object {
  return { hash, set, stamp: [wallMs, counter], origin };
}

function cadfTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "+00:00");
}
