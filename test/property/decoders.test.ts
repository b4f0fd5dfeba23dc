// Every decoder of bytes or text that comes from outside: whatever it is given, it opens what is well and refuses the
// rest, and never throws anything but its own error. `npm run fuzz:soak` gives each of them 100,000 inputs.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { openCanary, sealCanary } from "../../src/core/canary.ts";
import { openEntry, openStored, type WireEntry, wireOf } from "../../src/core/codec.ts";
import type { Entry } from "../../src/core/entry.ts";
import { type Heartbeat, openHeartbeat, signHeartbeat } from "../../src/core/heartbeat.ts";
import { parsePeerId } from "../../src/core/peer-id.ts";
import { RangeAnswerer } from "../../src/core/range-answerer.ts";
import { decodeQuestion, decodeReplies } from "../../src/core/range-items.ts";
import {
  decodeRangeAnswer,
  decodeRangeRequest,
  encodeRangeMessage,
  RANGE_LIMITS,
} from "../../src/core/range-messages.ts";
import { RangeSession } from "../../src/core/range-reconcile.ts";
import { viewOf } from "../../src/core/range-view.ts";
import type { Checked } from "../../src/core/rejection.ts";
import { Replica } from "../../src/core/replica.ts";
import { domainSet, parseSetName } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import {
  decodeAnswer,
  decodeBatch,
  decodeRequest,
  decodeWelcome,
  encodeBatches,
  encodeRequest,
  encodeAnswer as encodeSyncAnswer,
  encodeWelcome,
  HELLO,
} from "../../src/core/sync-messages.ts";
import { readDomain, readPage, readProject } from "../../src/keystone/answers.ts";
import { findCredentials } from "../../src/keystone/clouds-yaml.ts";
import { parseCredentials } from "../../src/keystone/credentials.ts";
import { parsePeerAddress } from "../../src/mesh/address.ts";
import { decodeAnswer as decodeFrame, encodeAnswer } from "../../src/mesh/answer-frame.ts";
import { COMPANY_BYTES } from "../../src/mesh/company.ts";
import { openSending } from "../../src/mesh/outbox.ts";
import { parseSealedIdentity, sealIdentity, unsealIdentity } from "../../src/mesh/sealed-identity.ts";
import { openWelcome } from "../../src/node/membership-desk.ts";
import { parseTcpAddress } from "../../src/node/tcp-address.ts";
import { asWireEntries, checksumOf, frame, unframe } from "../../src/store/framing.ts";
import { decodeHead } from "../../src/store/head.ts";
import { parseRecordKey } from "../../src/store/keys.ts";
import { hostileBytes } from "../fixtures/hostile-bytes.ts";
import { CLOCK, entryBy, idOf, meshOf, peerOf } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

const INPUTS = Number(process.env.KEYMESH_FUZZ_INPUTS ?? 1_000);
vi.setConfig({ testTimeout: 60_000 + INPUTS * 10 });

type Row = {
  readonly name: string;
  readonly good: readonly Uint8Array[];
  /** What was read; undefined where it is refused. */
  readonly decode: (bytes: Uint8Array) => unknown;
  /** The error class that it refuses by throwing, if it does. */
  readonly throws?: string;
  /** Whether the good inputs are signed or summed, so that no change of a byte opens. */
  readonly sealed?: true;
};

const one = peerOf(1);
const { meshId, entries } = meshOf(one);
const SET = domainSet(one.peerId, idOf("a"));
const project = entryBy(one, {
  ...{ meshId, set: SET, kind: "project", id: idOf("1"), at: [5, 1] },
  fields: {
    name: "web",
    enabled: true,
    tags: ["a", "b"],
    domain_id: idOf("a"),
    parent_id: idOf("a"),
    description: null,
  },
});
const founding = entries.map(wireOf);
const CANARY = { projectId: idOf("c"), generation: 7 };
const PASSPHRASE = "five words of a test";
const sealing = { peerId: one.peerId, passphrase: PASSPHRASE, salt: new Uint8Array(16), nonce: new Uint8Array(12) };
const exported = sealIdentity(new Uint8Array(68), { ...sealing, cost: { n: 16, r: 1, p: 1 } });
const BEAT: Heartbeat = {
  ...{ sender: one.peerId, instance: "ab".repeat(16), sequence: 1, sentMs: 5 as UnixMs, intervalMs: 10_000 },
  ...{ root: meshId, records: 1, keystone: "ok", version: "0.1.0", doubles: [one.peerId] },
};
const KEY = `records ${SET} project ${idOf("1")}`;
const { questions, replies, requests, answers } = talk();

const CORE: readonly Row[] = [
  {
    name: "openEntry",
    good: [joined(wireOf(project)), joined(wireOf(entries[0] as Entry))],
    decode: split(openEntry),
    sealed: true,
  },
  { name: "openStored", good: [joined(wireOf(project))], decode: split(openStored) },
  {
    name: "decodeBatch",
    good: encodeBatches([wireOf(project), ...founding]),
    decode: (bytes) => opened(decodeBatch(bytes)),
  },
  {
    name: "openHeartbeat",
    good: [signHeartbeat(meshId, BEAT, one.signer)],
    decode: (bytes) => opened(openHeartbeat(meshId, bytes)),
    sealed: true,
  },
  {
    name: "decodeWelcome",
    good: [encodeWelcome({ meshId, founding })],
    decode: (bytes) => opened(decodeWelcome(bytes)),
  },
  {
    name: "openWelcome",
    good: [encodeWelcome({ meshId, founding })],
    decode: openWelcome,
    throws: "ControlError",
    sealed: true,
  },
  {
    name: "decodeRequest",
    good: [
      encodeRequest(HELLO),
      encodeRequest({ is: "pull", keys: [{ set: SET, kind: "project", id: idOf("1"), skip: 0 }] }),
      encodeRequest({ is: "offer", entries: founding }),
      encodeRequest({ is: "settled", lines: [{ set: SET, root: meshId, takenAt: project.stamp }] }),
    ],
    decode: (bytes) => opened(decodeRequest(bytes)),
  },
  {
    name: "decodeAnswer",
    good: [
      encodeSyncAnswer(HELLO),
      encodeSyncAnswer({ is: "records", whole: 1, skip: 0, entries: founding }),
      encodeSyncAnswer({ is: "taken" }),
      encodeSyncAnswer({ is: "settled", vouched: [true, false] }),
    ],
    decode: (bytes) => opened(decodeAnswer(bytes)),
  },
  { name: "decodeRangeRequest", good: requests, decode: (bytes) => opened(decodeRangeRequest(bytes)) },
  { name: "decodeRangeAnswer", good: answers, decode: (bytes) => opened(decodeRangeAnswer(bytes)) },
  { name: "decodeQuestion", good: questions, decode: decodeQuestion },
  {
    name: "decodeReplies",
    good: replies,
    decode: (bytes) => decodeReplies(bytes, decodeQuestion(questions[0] as Uint8Array)?.items ?? []),
  },
  {
    name: "openCanary",
    good: [utf8(sealCanary(CANARY, one.signer))],
    decode: (bytes) => openCanary(CANARY.projectId, text(bytes)),
  },
  { name: "parseSetName", good: [utf8(SET)], decode: (bytes) => parseSetName(text(bytes)) },
  { name: "parsePeerId", good: [utf8(one.peerId)], decode: (bytes) => parsePeerId(text(bytes)) },
];

const SHELL: readonly Row[] = [
  {
    name: "decodeFrame",
    good: [encodeAnswer({ is: "answer", bytes: utf8("x") }), encodeAnswer({ is: "busy" })],
    decode: decodeFrame,
  },
  {
    name: "parseSealedIdentity",
    good: [exported],
    decode: (bytes) => parseSealedIdentity(bytes),
    throws: "MeshError",
    sealed: true,
  },
  {
    name: "unsealIdentity",
    good: [utf8(text(exported).split(',"sum"')[0] ?? "")],
    decode: (bytes) => unsealIdentity(parseSealedIdentity(withSum(bytes)), PASSPHRASE),
    throws: "MeshError",
    sealed: true,
  },
  { name: "openSending", good: [Uint8Array.from([0, ...new Uint8Array(COMPANY_BYTES), 1, 2])], decode: openSending },
  {
    name: "parsePeerAddress",
    good: [utf8(`/ip4/127.0.0.1/tcp/4001/p2p/${one.peerId}`)],
    decode: (bytes) => parsePeerAddress(text(bytes)),
    throws: "MeshError",
  },
  { name: "parseTcpAddress", good: [utf8("/ip4/127.0.0.1/tcp/4001")], decode: (bytes) => parseTcpAddress(text(bytes)) },
  { name: "unframe", good: [frame(KEY, founding as never)], decode: (bytes) => unframe(KEY, bytes), sealed: true },
  { name: "checksumOf", good: [frame(KEY, 1)], decode: (bytes) => checksumOf(KEY, bytes), sealed: true },
  {
    name: "a stored record",
    good: [frame("", founding as never).subarray(4)],
    decode: (bytes) => asWireEntries(unframe("", summed(bytes)) ?? null),
  },
  {
    name: "a stored head",
    good: [frame("", { sequence: 1, keys: 2, sum: 3 }).subarray(4)],
    decode: (bytes) => decodeHead(unframe("", summed(bytes))),
  },
  { name: "parseRecordKey", good: [utf8(KEY)], decode: (bytes) => parseRecordKey(text(bytes)) },
  json(
    "readProject",
    { id: idOf("1"), name: "web", enabled: true, domain_id: idOf("a"), tags: ["b", "a"], options: {} },
    (value) => readProject(value, "GET"),
    "KeystoneError",
  ),
  json(
    "readDomain",
    { id: idOf("1"), name: "d", description: null, enabled: false },
    (value) => readDomain(value, "GET"),
    "KeystoneError",
  ),
  json(
    "readPage",
    { projects: [{ id: "1" }], truncated: true },
    (value) => readPage(value, "projects", "GET"),
    "KeystoneError",
  ),
  json(
    "parseCredentials",
    {
      auth: {
        auth_url: "https://k.example/v3",
        username: "u",
        password: "p",
        user_domain_name: "Default",
        project_name: "p",
        project_domain_id: "default",
      },
    },
    (value) => parseCredentials(value, "here"),
    "CredentialsError",
  ),
  {
    name: "clouds.yaml",
    good: [
      utf8(
        "clouds:\n  west:\n    auth: {auth_url: https://k.example/v3, username: u, password: p, user_domain_id: default, system_scope: all}\n",
      ),
    ],
    decode: (bytes) =>
      findCredentials({
        env: {},
        homeDir: "/h",
        workingDir: "/w",
        readFile: (path) => (path === "/w/clouds.yaml" ? text(bytes) : undefined),
      }),
    throws: "CredentialsError",
  },
];

describe.each([...CORE, ...SHELL])("$name", ({ good, decode, throws, sealed }) => {
  it("opens what is well", () => {
    for (const bytes of good) expect(decode(bytes)).toBeDefined();
  });

  it(`refuses or opens whatever it is given, and never throws${throws === undefined ? "" : ` but ${throws}`}`, () => {
    const whole = new Set(good.map((bytes) => Buffer.from(bytes).toString("hex")));
    let refused = 0;
    fc.assert(
      fc.property(hostileBytes(good), (bytes) => {
        const read = attempt(() => decode(bytes), throws);
        if (read === undefined) refused += 1;
        else if (sealed) expect(whole).toContain(Buffer.from(bytes).toString("hex"));
      }),
      runs(INPUTS),
    );
    expect(refused).toBeGreaterThan(0);
  });
});

/** What an action gave; undefined where it refused by throwing its own error. */
function attempt(action: () => unknown, throws: string | undefined): unknown {
  try {
    return action();
  } catch (error) {
    if (throws !== undefined && error instanceof Error && error.name === throws) return undefined;
    throw error;
  }
}

function json(name: string, good: unknown, decode: (value: unknown) => unknown, throws: string): Row {
  const parse = (bytes: Uint8Array): unknown => {
    try {
      return JSON.parse(text(bytes));
    } catch {
      return undefined; // Not JSON never comes as far as the decoder.
    }
  };
  return { name, good: [utf8(JSON.stringify(good))], decode: (bytes) => decode(parse(bytes)), throws };
}

function opened(checked: Checked<unknown>): unknown {
  return checked.ok ? checked.value : undefined;
}

/** An entry in one string of bytes: the signature, then what it signs. */
function joined([bytes, signature]: WireEntry): Uint8Array {
  return Uint8Array.from([...signature, ...bytes]);
}

function split(open: typeof openEntry): (bytes: Uint8Array) => unknown {
  return (bytes) => opened(open(meshId, [bytes.subarray(64), bytes.subarray(0, 64)]));
}

/** An export up to its checksum, with one that holds: what somebody who changes it on purpose would write. */
function withSum(bytes: Uint8Array): Uint8Array {
  const sum = createHash("sha256").update(bytes).digest("hex");
  return Buffer.concat([bytes, utf8(`,"sum":"${sum}"}\n`)]);
}

/** A value's bytes as they lie in the store, with a checksum that holds: what a damaged writer could have left. */
function summed(bytes: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(4 + bytes.length);
  framed.set(bytes, 4);
  framed.writeUInt32BE(crc32(bytes, crc32("")), 0);
  return framed;
}

/** One whole session about ranges, as it went over the wire. */
function talk(): Record<"questions" | "replies" | "requests" | "answers", Uint8Array[]> {
  const [asking, answering] = [new Replica({ meshId, self: one.peerId }), new Replica({ meshId, self: one.peerId })];
  asking.join(entries, CLOCK);
  const made = Array.from({ length: 200 }, (_, n) =>
    entryBy(one, {
      meshId,
      set: SET,
      kind: "project",
      id: n.toString(16).padStart(32, "0"),
      at: [n + 10],
      fields: { name: `p${n}` },
    }),
  );
  answering.join([...entries, ...made], CLOCK);
  asking.join(
    made.filter((_, n) => n % 7 > 0),
    CLOCK,
  );
  const session = new RangeSession({ view: viewOf(asking), nonce: new Uint8Array(16) });
  const answerer = new RangeAnswerer(viewOf(answering), RANGE_LIMITS);
  const said = {
    questions: [] as Uint8Array[],
    replies: [] as Uint8Array[],
    requests: [] as Uint8Array[],
    answers: [] as Uint8Array[],
  };
  for (let request = session.next(); request !== undefined; request = session.next()) {
    const answered = answerer.answer(request);
    if (!answered.ok) throw new Error(answered.rejection.detail);
    said.requests.push(request);
    said.answers.push(answered.value);
    session.take(answered.value);
    const [asked, told] = [decodeRangeRequest(request), decodeRangeAnswer(answered.value)];
    if (asked.ok && asked.value[0] === "ranges") said.questions.push(...asked.value[1].map(([, bytes]) => bytes));
    if (told.ok && told.value[0] === "ranges") said.replies.push(...told.value[1]);
  }
  said.answers.push(encodeRangeMessage(["equal"]));
  return said;
}

function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
