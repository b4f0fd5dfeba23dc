// What the golden files of wire version 1 hold, as values: one case for each word that nodes say to each other.
// Every key, time and chance is fixed, and Ed25519 is deterministic, so each value has exactly one spelling in bytes.
import { pointerHash } from "../../src/core/authority.ts";
import type { Entry, Fields, RecordKey } from "../../src/core/entry.ts";
import { localId } from "../../src/core/kinds.ts";
import { admissionFields, bodyOf, leaveFields, proposalFields } from "../../src/core/membership.ts";
import { CONTROL_SET, cloudSet, domainSet } from "../../src/core/set-name.ts";
import { entryBy, idOf, meshOf, peerOf, rosterAfter, sorted, type TestPeer } from "../fixtures/peers.ts";

const [alpha, beta, gamma, delta] = [peerOf(1), peerOf(2), peerOf(3), peerOf(4)];
export const { meshId, founding } = meshOf(alpha);
export const rosterOne = rosterAfter(founding, {
  members: sorted([alpha, beta, gamma]),
  voters: sorted([alpha, beta]),
  retired: sorted([delta]),
  thresholds: { admit: 2 },
});
/** With a recovery key, whose signature stands in for a voter's. */
const rosterTwo = rosterAfter(rosterOne, { recovery: peerOf(9).peerId });

const domainId = idOf("d");
const projectId = idOf("1");
export const firstSet = domainSet(alpha.peerId, domainId, 0);
export const nextSet = domainSet(beta.peerId, domainId, 1);
export const pointer = pointerHash(meshId, { from: firstSet, to: nextSet });

type Case = { readonly by: TestPeer; readonly key: RecordKey; readonly at: [number, number]; readonly fields: Fields };
const WALL_MS = 1_767_225_600_000; // 2026-01-01T00:00:00Z

function words(by: TestPeer, key: RecordKey, fields: Fields, counter = 0): Case {
  return { by, key, at: [WALL_MS, counter], fields };
}

const authority = { set: firstSet, kind: "authority", id: domainId };
const project = { set: firstSet, kind: "project", id: projectId };

/** By the name of the golden file. Add cases freely; a case that has a file never changes again. */
export const CASES: Readonly<Record<string, Case>> = {
  "roster-founding": words(alpha, { set: CONTROL_SET, kind: "roster", id: founding.hash }, { body: bodyOf(founding) }),
  "roster-1": words(alpha, { set: CONTROL_SET, kind: "roster", id: rosterOne.hash }, { body: bodyOf(rosterOne) }),
  "roster-recovery": words(
    peerOf(9),
    { set: CONTROL_SET, kind: "roster", id: rosterTwo.hash },
    { body: bodyOf(rosterTwo) },
  ),
  proposal: words(gamma, { set: CONTROL_SET, kind: "proposal", id: gamma.peerId }, proposalFields(rosterTwo)),
  admission: words(
    alpha,
    { set: CONTROL_SET, kind: "admission", id: beta.peerId },
    admissionFields(founding, "cloud-b"),
  ),
  leave: words(gamma, { set: CONTROL_SET, kind: "leave", id: gamma.peerId }, leaveFields(rosterOne)),
  cloud: words(
    beta,
    { set: cloudSet(beta.peerId), kind: "cloud", id: beta.peerId },
    { name: "cloud-b", addresses: ["/ip4/192.0.2.7/tcp/4001", "/dns4/b.example.org/tcp/4001"] },
  ),
  "authority-grant": words(alpha, authority, {
    [`signer/${beta.peerId}`]: { create: [WALL_MS, 0], update: [WALL_MS, 0], delete: [WALL_MS, 0xffff] },
  }),
  "authority-revoked": words(
    alpha,
    authority,
    { [`signer/${beta.peerId}`]: { update: [WALL_MS, 0], takenAt: [WALL_MS, 1] } },
    1,
  ),
  "authority-revoked-wholly": words(alpha, authority, { [`signer/${beta.peerId}`]: { takenAt: [WALL_MS, 2] } }, 2),
  "authority-audience-all": words(alpha, authority, { audience: null }, 3),
  "authority-audience-named": words(alpha, authority, { audience: sorted([beta, gamma]) }, 4),
  "authority-pointer": words(alpha, authority, { [`pointer/${beta.peerId}`]: { set: nextSet } }, 5),
  "authority-accepts": words(beta, { set: nextSet, kind: "authority", id: domainId }, { accepts: pointer }, 6),
  domain: words(
    alpha,
    { set: firstSet, kind: "domain", id: domainId },
    { name: "research", description: null, enabled: true },
  ),
  "domain-after-transfer": words(
    beta,
    { set: nextSet, kind: "domain", id: domainId },
    { name: "research", description: "", enabled: false },
  ),
  "project-create": words(alpha, project, {
    name: "w\u00e9b 网站 🙂",
    description: "",
    enabled: true,
    tags: ["a", "b"],
    domain_id: domainId,
    parent_id: domainId,
  }),
  "project-update": words(beta, project, { description: null, enabled: false }, 7),
  "project-tombstone": words(alpha, project, { deleted: true }, 0xffff),
  "local-domain": words(
    beta,
    { set: firstSet, kind: "local", id: localId(beta.peerId) },
    { mode: "mirror", name: "research-b", off: false },
  ),
  "local-project": words(
    beta,
    { set: firstSet, kind: "local", id: localId(beta.peerId, projectId) },
    { off: true, optout: true, placed: true },
  ),
  "of-a-newer-node": words(
    alpha,
    { set: firstSet, kind: "quota-2", id: "any/ID" },
    { "x-deep": { list: [0, -1, Number.MAX_SAFE_INTEGER, { "": [] }] } },
  ),
};

export function signCase({ by, key, at, fields }: Case): Entry {
  return entryBy(by, { meshId, ...key, at, fields });
}

/** What a golden file holds: readable beside the bytes, so that another implementation can be held against it. */
export type Golden = {
  readonly meshId: string;
  readonly set: string;
  readonly kind: string;
  readonly id: string;
  readonly stamp: { readonly wallMs: number; readonly counter: number; readonly origin: string };
  readonly fields: Fields;
  readonly hash: string;
  readonly bytes: string;
  readonly signature: string;
};

export function goldenOf(entry: Entry): Golden {
  const { set, kind, id, stamp, fields, hash, bytes, signature } = entry;
  const hex = (binary: Uint8Array) => Buffer.from(binary).toString("hex");
  return { meshId, set, kind, id, stamp, fields, hash, bytes: hex(bytes), signature: hex(signature) };
}
